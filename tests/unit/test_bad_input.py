"""What mistakes get: an error of nnc that says what was expected and what was given.

`bad_input.txt` has a mistake on one line and, indented, the error it gets on the next.
"""

import pickle
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

import nnc
from nnc import autograd, gluon, init, nd
from nnc.arrays.array import NDArray
from nnc.errors import DtypeError, NncError, OptionError
from nnc.gluon import nn

LINES = Path(__file__).with_name("bad_input.txt").read_text().splitlines()
MISTAKES = list(zip(LINES[::2], map(str.strip, LINES[1::2]), strict=True))
cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()


def initialized(net: Any) -> Any:
    net.initialize()
    return net


def called(net: Any, *inputs: Any) -> Any:
    with autograd.record():
        result = initialized(net)(*inputs)
    return result.asnumpy()


def trainer(name: Any, options: Any = None, **more: Any) -> gluon.Trainer:
    net = initialized(nn.Dense(3, in_units=2))
    return gluon.Trainer(net.collect_params(), name, options, **more)


def step(net: Any, loss: Any = cross_entropy) -> Any:
    initialized(net)(nd.ones((2, 2)))
    return nnc.compile_step(net, loss, gluon.Trainer(net.collect_params(), "sgd"))


def recorded(function: Callable[[NDArray], Any]) -> Any:
    x = nd.ones((2,))
    x.attach_grad()
    with autograd.record():
        return function(x)


def backward_twice() -> None:
    y = recorded(lambda x: x * x)
    y.backward()
    y.backward()


def assign(array: NDArray, key: Any, value: Any) -> None:
    array[key] = value


def add_in_place(array: NDArray, other: Any) -> None:
    array += other


NAMES = {
    "np": np, "nnc": nnc, "autograd": autograd, "gluon": gluon, "init": init, "nd": nd, "nn": nn,
    "cross_entropy": cross_entropy, "initialized": initialized, "called": called,
    "trainer": trainer, "step": step, "recorded": recorded, "backward_twice": backward_twice,
    "assign": assign, "add_in_place": add_in_place,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("code", "message"), MISTAKES, ids=[code for code, _ in MISTAKES])
def test_a_mistake_is_explained(code: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = nnc.configure(backend="interpret")
    try:
        with pytest.raises(NncError) as error:
            eval(code, NAMES)
    finally:
        nnc.configure(backend=before.backend)
    assert f"{type(error.value).__name__}: {error.value}" == message


def through_pickle(net: Any) -> Any:
    return pickle.loads(pickle.dumps(net))


WEIGHT, BIAS = np.ones((3, 2), np.float32), np.ones(3, np.float32)
GOOD = save({"weight": WEIGHT, "bias": BIAS})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a safetensors file"),
        (b"\xff" * 100, "is not a safetensors file"),
        (GOOD[:-3], "is not a safetensors file"),
        (GOOD[:20], "is not a safetensors file"),
        (save({"weight": WEIGHT}), r"it lacks \['bias'\], and has nothing"),
        (save({"weight": WEIGHT, "bias": BIAS, "x": BIAS}), r"and has \['x'\] that the network"),
        (
            save({"weight": WEIGHT, "bias": WEIGHT}),
            r"net.safetensors does not fit the network: .* expected shape \(3,\), given \(3, 2\)",
        ),
    ],
)
def test_a_wrong_file_changes_nothing(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(data)
    net = initialized(nn.Dense(3, in_units=2))
    before = net.weight.data().asnumpy()
    with pytest.raises(NncError, match=message):
        net.load_parameters(str(path))
    np.testing.assert_array_equal(net.weight.data().asnumpy(), before)


def test_files_in_the_wrong_place(tmp_path: Path) -> None:
    net = initialized(nn.Dense(3, in_units=2))
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none, to write net in"):
        net.save_parameters(str(tmp_path / "none/net"))
    with pytest.raises(IsADirectoryError, match="is a folder, expected the name of a file"):
        net.save_parameters(str(tmp_path))


@pytest.mark.parametrize("copied", [deepcopy, through_pickle])
def test_copies_of_a_network_train_apart(copied: Callable[[Any], Any]) -> None:
    net = initialized(nn.Dense(3, in_units=2))
    copy = copied(net)
    before = net.weight.data().asnumpy()
    updates = gluon.Trainer(copy.collect_params(), "sgd")
    with autograd.record():
        loss = copy(nd.ones((2, 2))).sum()
    loss.backward()
    updates.step(1)
    np.testing.assert_array_equal(net.weight.data().asnumpy(), before)
    assert (copy.weight.data().asnumpy() != before).all()


def test_a_network_is_cast_before_its_trainer_has_states() -> None:
    net = initialized(nn.Dense(3, in_units=2))
    updates = gluon.Trainer(net.collect_params(), "sgd", {"momentum": 0.9})

    def train(dtype: str) -> None:
        net.cast(dtype)
        with autograd.record():
            loss = net(nd.ones((2, 2), dtype=dtype)).sum()
        loss.backward()
        updates.step(2)

    train("float32")
    with pytest.raises(DtypeError, match=r"'weight' is float64 now, .* make a new Trainer"):
        train("float64")


@pytest.mark.filterwarnings("error")
def test_shared_layers_are_initialized_once_without_a_warning() -> None:
    layer = nn.Dense(2, in_units=2)
    assert initialized(nn.Sequential(layer, layer))(nd.ones((1, 2))).shape == (1, 2)


def test_an_unknown_target_is_an_option() -> None:
    with pytest.raises(OptionError, match="NNC_TARGET, target: unknown target 'foo', expected"):
        nnc.configure(target="foo")
