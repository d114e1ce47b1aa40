"""Parameters in files: safetensors and MXNet's `.params`, written whole or not at all."""

import errno
import hashlib
import os
import resource
import stat
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save as to_bytes

from nnc import autograd, checkpoint, gluon, nd
from nnc.dtypes import DTYPES
from nnc.errors import DtypeError, InPlaceError, NncError, OptionError
from nnc.gluon import files, mxnet_format, nn, rnn
from nnc.gluon.utils import check_sha1, download

FROM_MXNET = Path(__file__).parents[1] / "mxnet"
SCOPED = FROM_MXNET / "scoped.params"


def network(*tail: nn.HybridBlock) -> nn.HybridSequential:
    """The network of tests/mxnet/record_files.py."""
    net = nn.HybridSequential()
    net.add(nn.Conv2D(2, 2, in_channels=1), nn.BatchNorm(in_channels=2))
    net.add(nn.Dense(3, in_units=8), nn.Dense(3, in_units=3), nn.Dense(2, in_units=3))
    net.add(nn.PReLU(), *tail)
    net.initialize()
    return net


def values(net: nn.HybridBlock) -> dict[str, Any]:
    return {name: p.data().asnumpy() for name, p in net.collect_params().items()}


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@contextmanager
def full_disk(free: int) -> Generator[None]:
    """No file can grow beyond so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("name", ["net", "net.params"])
def test_a_full_disk_loses_nothing(name: str, tmp_path: Path) -> None:
    net, file = network(), tmp_path / name
    net.save_parameters(file)
    before = file.read_bytes()
    with full_disk(500), pytest.raises(OSError, match=rf"{name} could not be written: File too"):
        net.save_parameters(file)
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == [name]


def test_a_file_keeps_its_permissions_and_its_link(tmp_path: Path) -> None:
    net, file, link = network(), tmp_path / "net", tmp_path / "link"
    file.touch(0o640)
    link.symlink_to(file)
    net.save_parameters(link)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert_same(files.load(file), values(net))


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".net.partial").write_bytes(b"x" * 10_000)
    network().save_parameters(tmp_path / "net")
    assert os.listdir(tmp_path) == ["net"]
    files.load(tmp_path / "net")


def test_threads_that_write_one_file_take_turns(tmp_path: Path) -> None:
    file, arrays = tmp_path / "x", [np.full(1000, i, np.float32) for i in range(4)]

    def write(array: Any) -> None:
        for _ in range(5):
            files.save(file, {"x": array})

    threads = [threading.Thread(target=write, args=(array,)) for array in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(files.load(file)["x"].tolist())) == 1
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize(("number", "fails"), [(errno.ENOLCK, False), (errno.EIO, True)])
def test_file_systems_without_locks(
    number: int, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: Any) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(OSError, match="no") if fails else nullcontext():
        network().save_parameters(tmp_path / "net")
    assert (tmp_path / "net").exists() != fails


def test_a_device_is_no_file() -> None:
    with pytest.raises(OptionError, match="/dev/null is a device, expected the name of a file"):
        network().save_parameters("/dev/null")


@pytest.mark.parametrize("name", ["x", "x.params"])
def test_files_hold_every_dtype(name: str, tmp_path: Path) -> None:
    arrays = {dtype: np.arange(6).reshape(2, 3).astype(dtype) for dtype in DTYPES}
    shapes = {str(shape): np.ones(shape, np.float32) for shape in [(), (0, 3), (1,), (2, 3, 4)]}
    arrays["transposed"] = arrays["float32"].T
    files.save(tmp_path / name, {**arrays, **shapes})
    found = files.load(tmp_path / name)
    assert_same(found, {**arrays, **shapes})
    assert [found[dtype].dtype.name for dtype in DTYPES] == list(DTYPES)


@pytest.mark.parametrize("name", ["structural", "scoped", "exported"])
def test_files_of_mxnet_are_read(name: str) -> None:
    net = network()
    net.load_parameters(FROM_MXNET / f"{name}.params")
    written = files.load(FROM_MXNET / "output.params")
    found = net(nd.ones((1, 1, 3, 3))).asnumpy()
    np.testing.assert_allclose(found, written.pop("output"), rtol=1e-5, atol=1e-6)
    counted = np.arange(6).reshape(2, 3)
    assert_same(written, {dtype: counted.astype(dtype) for dtype in written})
    assert len(written) == 8


@pytest.mark.parametrize("name", ["structural", "output"])
def test_files_for_mxnet_are_what_it_writes(name: str, tmp_path: Path) -> None:
    source = FROM_MXNET / f"{name}.params"
    files.save(tmp_path / "x.params", files.load(source))
    assert (tmp_path / "x.params").read_bytes() == source.read_bytes()


def test_recurrent_layers_have_names_of_their_own_in_mxnet(tmp_path: Path) -> None:
    net = nn.HybridSequential()
    net.add(rnn.LSTM(2, 2, bidirectional=True, input_size=1), rnn.GRU(1, input_size=4))
    net.load_parameters(FROM_MXNET / "recurrent.params")
    written = files.load(FROM_MXNET / "recurrent.params")
    np.testing.assert_array_equal(
        values(net)["0.r1_h2h_bias"], written["0._unfused.1.r_cell.h2h_bias"]
    )
    net.save_parameters(tmp_path / "net.params")
    assert_same(files.load(tmp_path / "net.params"), written)


def test_names_of_mxnet_in_an_unclear_order(tmp_path: Path) -> None:
    arrays = files.load(SCOPED)
    files.save(tmp_path / "x.params", dict(reversed(arrays.items())))
    with pytest.raises(OptionError, match=r"it lacks \['0.bias', '0.weight', '1.beta', .* 8 more"):
        network().load_parameters(tmp_path / "x.params")
    with pytest.raises(OptionError, match=r"and has \['hybridsequential0_batchnorm0_beta', "):
        network(nn.Dense(2, in_units=2)).load_parameters(SCOPED)


def test_dicts_of_parameters_are_saved_without_a_prefix(tmp_path: Path) -> None:
    net, other, file = network(), network(), tmp_path / "net.params"
    net.collect_params("^2").save(file, strip_prefix="2.")
    assert files.load(file).keys() == {"weight", "bias"}
    other.collect_params("^2").load(file, restore_prefix="2.")
    np.testing.assert_array_equal(values(other)["2.weight"], values(net)["2.weight"])
    with pytest.raises(OptionError, match=r"net.params does not fit the network: it lacks \['2"):
        other.collect_params("^[23]").load(file)


def test_arrays_are_saved_as_mxnet_does(tmp_path: Path) -> None:
    x, y, file = nd.array([1, 2], "int32"), nd.array([[3.5]]), tmp_path / "arrays"
    for data in (x, [x, y], {"x": x, "y": y}):
        nd.save(file, data)
        found = nd.load(file)
        assert isinstance(found, dict) == isinstance(data, dict)
        expected = data.values() if isinstance(data, dict) else data if data is not x else [x]
        for a, b in zip(
            found.values() if isinstance(found, dict) else found, expected, strict=True
        ):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())
    nd.save(file, [x, y])
    with pytest.raises(OptionError, match="arrays holds a list of arrays, expected arrays by name"):
        network().load_parameters(file)
    network().save_parameters(file)
    assert set(nd.load(file)) == set(values(network()))
    wrong: Any = [1.0]
    with pytest.raises(OptionError, match=r"save: expected arrays of nnc.nd, given float"):
        nd.save(file, wrong)


def test_single_layers_have_short_names(tmp_path: Path) -> None:
    arrays = {"dense7_weight": np.ones((2, 3)), "dense7_bias": np.ones(2)}
    files.save(tmp_path / "x.params", arrays)
    layer = nn.Dense(2, in_units=3)
    layer.load_parameters(tmp_path / "x.params")
    assert_same(values(layer), dict(zip(("weight", "bias"), arrays.values(), strict=True)))


@pytest.mark.parametrize("deduplicate", [False, True])
def test_a_shared_parameter_needs_one_name(deduplicate: bool, tmp_path: Path) -> None:
    def shared() -> nn.HybridSequential:
        layer = nn.Dense(3, in_units=3)
        net = nn.HybridSequential(layer, nn.Dense(3, in_units=3), layer)
        net.initialize()
        return net

    net, other = shared(), shared()
    net.save_parameters(tmp_path / "net", deduplicate)
    assert len(files.load(tmp_path / "net")) == (4 if deduplicate else 6)
    other.load_parameters(tmp_path / "net")
    assert_same(values(other), values(net))


def test_missing_and_extra_arrays(tmp_path: Path) -> None:
    file = tmp_path / "net"
    files.save(file, {"weight": np.ones((2, 3)), "more": np.ones(1)})
    layer = nn.Dense(2, in_units=3)
    layer.initialize(init="zeros")
    with pytest.raises(OptionError, match=r"it lacks \['bias'\], and has \['more'\]"):
        layer.load_parameters(file, allow_missing=True)
    with pytest.raises(OptionError, match=r"it lacks \['bias'\], and has \['more'\]"):
        layer.load_parameters(file, ignore_extra=True)
    assert not values(layer)["weight"].any()
    layer.load_parameters(file, allow_missing=True, ignore_extra=True)
    assert_same(values(layer), {"weight": np.ones((2, 3)), "bias": np.zeros(2)})


def test_a_missing_file_is_told_with_those_like_it(tmp_path: Path) -> None:
    net = network()
    net.save_parameters(tmp_path / "net-0002.params")
    (tmp_path / "log.txt").touch()

    def message(read: Callable[[Path], Any], name: str) -> str:
        with pytest.raises(FileNotFoundError) as error:
            read(tmp_path / name)
        return str(error.value).replace(f"{tmp_path}/", "")

    assert message(net.load_parameters, "net-0001.params") == (
        "load_parameters: there is no file net-0001.params; did you mean net-0002.params?"
    )
    assert message(nd.load, "best.params") == (
        "nd.load: there is no file best.params; did you mean net-0002.params?"
    )
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    assert message(trainer.load_states, "states") == (
        "Trainer.load_states: there is no file states; nor one like it among the 2 files there"
    )
    assert message(checkpoint.load, "run/last") == (
        "checkpoint.load: there is no file run/last; nor a folder run"
    )
    with pytest.raises(
        IsADirectoryError, match=r"load_parameters: .* is a folder, expected a file"
    ):
        net.load_parameters(tmp_path)


def test_nothing_changes_while_recording(tmp_path: Path) -> None:
    net, other = network(), network()
    other.save_parameters(tmp_path / "net")
    net.collect_params()["0.weight"].grad_req = "null"
    before = values(net)
    with autograd.record(), pytest.raises(InPlaceError, match="in-place change of an array"):
        net.load_parameters(tmp_path / "net")
    assert_same(values(net), before)


STRUCTURAL = (FROM_MXNET / "structural.params").read_bytes()
SIZES = slice(36, 44)
"""Of the first array: the first of its four sizes."""


def changed(place: slice, number: int, layout: str = "<q") -> bytes:
    return STRUCTURAL[: place.start] + struct.pack(layout, number) + STRUCTURAL[place.stop :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (STRUCTURAL[:200], r"damaged: \d+ bytes expected at \d+, \d+ are left"),
        (STRUCTURAL[:10], "damaged: 16 bytes expected at 0, 10 are left"),
        (changed(slice(8, 16), 7), "damaged: it does not begin as MXNet's files do"),
        (changed(slice(16, 24), 2**60), f"damaged: {2**60} arrays or names in 943 bytes"),
        (changed(SIZES, 2**50), r"damaged: \d+ bytes expected"),
        (changed(SIZES, 2**62), f"damaged: an array of shape \\({2**62}, 1, 2, 2\\)"),
        (changed(SIZES, -1), r"damaged: an array of shape \(-1, 1, 2, 2\)"),
        (changed(slice(32, 36), 2**30, "<i"), f"damaged: an array of rank {2**30}"),
        (changed(slice(32, 36), 0, "<i"), "damaged: an array has no shape"),
        (changed(slice(28, 32), 1, "<i"), "has a sparse array; expected dense ones"),
        (changed(slice(24, 28), 5, "<i"), "damaged: an array begins with 0x5, expected 0xf993fac9"),
        (STRUCTURAL + b"x", "damaged: 1 bytes follow the names"),
        (STRUCTURAL[:-1] + b"\xff", "damaged: a name is not UTF-8"),
        (STRUCTURAL.replace(b"2.bias", b"3.bias"), "13 arrays have 12 different names"),
    ],
)
def test_damaged_files_of_mxnet(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "net").write_bytes(data)
    net = network()
    before = values(net)
    with pytest.raises(OptionError, match=message):
        net.load_parameters(tmp_path / "net")
    assert_same(values(net), before)


def test_a_dtype_that_arrays_lack(tmp_path: Path) -> None:
    (tmp_path / "net").write_bytes(changed(slice(76, 80), 9, "<i"))
    with pytest.raises(DtypeError, match=r"an array has MXNet's dtype 9; expected float32, "):
        network().load_parameters(tmp_path / "net")


def test_every_beginning_of_a_file_is_refused() -> None:
    for size in range(len(STRUCTURAL)):
        with pytest.raises(OptionError):
            mxnet_format.arrays_in("net", STRUCTURAL[:size])


@given(st.integers(8, len(STRUCTURAL) - 1), st.binary(min_size=1, max_size=8))
def test_wrong_bytes_give_arrays_or_an_error(place: int, wrong: bytes) -> None:
    data = STRUCTURAL[:place] + wrong + STRUCTURAL[place + len(wrong) :]
    try:
        arrays = mxnet_format.arrays_in("net", data)
    except NncError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= len(data)


def test_a_damaged_array_is_noticed(tmp_path: Path) -> None:
    net, file = network(), tmp_path / "net"
    net.save_parameters(file)
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    with pytest.raises(OptionError, match="net is damaged: its checksum does not fit what it"):
        net.load_parameters(file)


def test_files_of_others_need_no_checksum(tmp_path: Path) -> None:
    layer, file = nn.Dense(2, in_units=3), tmp_path / "net"
    file.write_bytes(to_bytes({"weight": np.ones((2, 3)), "bias": np.ones(2)}))
    layer.load_parameters(file)
    assert layer.weight.data().asnumpy().all()


def test_a_file_is_fetched_once_and_checked(tmp_path: Path) -> None:
    source = tmp_path / "numbers.txt"
    source.write_text("1 2 3")
    (tmp_path / "here").mkdir()
    expected = hashlib.sha1(b"1 2 3").hexdigest()
    url = source.as_uri()
    found = Path(download(url, tmp_path / "here", sha1_hash=expected))
    assert found == tmp_path / "here" / "numbers.txt"
    assert check_sha1(found, expected)
    source.write_text("4 5 6")
    assert Path(download(url, found)).read_text() == "1 2 3"
    with pytest.raises(OptionError, match=f"has the SHA-1 .*, expected {expected}"):
        download(url, found, overwrite=True, sha1_hash=expected)
    assert found.read_text() == "1 2 3"
    assert Path(download(url, found, overwrite=True)).read_text() == "4 5 6"
    with pytest.raises(OSError, match=r"nothing.txt could not be fetched"):
        download(f"{url[:-11]}nothing.txt", tmp_path / "other", retries=1)
    assert not (tmp_path / "other").exists()
