"""Datasets in tar and parquet files: what is read, in which order, and files that are broken."""

import gzip
import io
import itertools
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

import nnc
from nnc.errors import NncError, OptionError, SampleError
from nnc.gluon.data import (
    DataLoader,
    ParquetDataset,
    ShardSampler,
    TarDataset,
    random_generator,
)
from nnc.gluon.data.shards import ShardedDataset

Array = np.ndarray[Any, np.dtype[Any]]
SIZES = (7, 1, 12, 5, 9)
PICTURE: Array = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)


def png(picture: Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def write_tars(folder: Path) -> str:
    """Samples are numbers: their own, and a text."""
    number = itertools.count()
    for shard, size in enumerate(SIZES):
        with tarfile.open(folder / f"{shard}.tar", "w") as tar:
            for one in itertools.islice(number, size):
                add(tar, f"{one:03}.cls", str(one).encode())
                add(tar, f"{one:03}.txt", f"number {one}".encode())
    return str(folder / "*.tar")


def write_parquets(folder: Path) -> str:
    number = itertools.count()
    for shard, size in enumerate(SIZES):
        numbers = list(itertools.islice(number, size))
        table = pa.table({"cls": numbers, "txt": [f"number {one}" for one in numbers]})
        parquet.write_table(table, folder / f"{shard}.parquet", row_group_size=3)
    return str(folder / "*.parquet")


def tars(folder: Path, window: int = 6) -> ShardedDataset:
    return TarDataset(write_tars(folder), ("cls", "txt"), window)


def parquets(folder: Path, window: int = 6) -> ShardedDataset:
    return ParquetDataset(write_parquets(folder), ("cls", "txt"), window)


KINDS = pytest.mark.parametrize("kind", [tars, parquets])


def numbers(loader: DataLoader) -> list[list[int]]:
    return [batch.asnumpy().tolist() for batch in loader]


def number(first: int, text: str) -> int:
    assert text == f"number {first}"
    return first


@KINDS
def test_samples_by_index(kind: Callable[[Path], ShardedDataset], tmp_path: Path) -> None:
    dataset = kind(tmp_path)
    assert len(dataset) == sum(SIZES)
    assert [dataset[i] for i in range(len(dataset))] == [(i, f"number {i}") for i in range(34)]
    assert dataset[-1][0] == 33
    assert dataset[2, 3][0] == 11
    assert [sample[0] for sample in dataset.take(9).filter(even)] == [0, 2, 4, 6, 8]
    with pytest.raises(IndexError, match="sample 34 of 34"):
        _ = dataset[34]


def even(sample: Any) -> bool:
    return sample[0] % 2 == 0


@KINDS
def test_shuffled_by_shards_and_windows(kind: Any, tmp_path: Path) -> None:
    dataset = kind(tmp_path)
    nnc.random.seed(0)
    shards = random_generator().permutation(len(SIZES))
    ends = list(itertools.accumulate(SIZES))
    read = [one for shard in shards for one in range(ends[shard] - SIZES[shard], ends[shard])]
    nnc.random.seed(0)
    order = [dataset[place][0] for place in ShardSampler(dataset)]
    for begin in range(0, 34, 6):
        assert sorted(order[begin : begin + 6]) == sorted(read[begin : begin + 6])
    assert order != read
    assert order != [dataset[place][0] for place in ShardSampler(dataset)]
    assert [dataset[place][0] for place in ShardSampler(dataset, False)] == list(range(34))


@KINDS
@pytest.mark.parametrize("options", [{}, {"prefetch": 2}, {"num_workers": 2}])
def test_streams_go_on_in_the_middle_of_an_epoch(kind: Any, options: Any, tmp_path: Path) -> None:
    def loader(**options: Any) -> DataLoader:
        dataset = kind(tmp_path).transform(number)
        return DataLoader(dataset, 4, shuffle=True, last_batch="rollover", **options)

    def after_an_epoch(**options: Any) -> DataLoader:
        nnc.random.seed(2)
        begun = loader(**options)
        assert len(set(itertools.chain(*numbers(begun)))) == 32
        return begun

    expected = numbers(after_an_epoch())
    assert set(itertools.chain(*expected)) == set(range(34))
    whole = after_an_epoch(**options)
    states: list[Any] = []
    found: list[Any] = []
    for batch in whole:
        found.append(batch.asnumpy().tolist())
        states.append(json.loads(json.dumps(whole.state_dict())))
    assert found == expected
    for done in (1, 5):
        resumed = loader(**options)
        resumed.load_state_dict(states[done - 1])
        assert numbers(resumed) == expected[done:]


@KINDS
def test_parts_of_the_files(kind: Any, tmp_path: Path) -> None:
    parts = [kind(tmp_path).shard(2, index) for index in range(2)]
    found = [[sample[0] for sample in part] for part in parts]
    assert found == [[*range(7), *range(8, 20), *range(25, 34)], [7, *range(20, 25)]]
    with pytest.raises(OptionError, match="6 parts of 5 files have no part 5"):
        kind(tmp_path).shard(6, 5)


def test_what_webdataset_writes(tmp_path: Path) -> None:
    """Everything that has a decoder, and bytes."""
    from webdataset.writer import ShardWriter  # Here, as it imports PyTorch where there is one.

    values = {
        "png": PICTURE,
        "cls": 3,
        "txt": "words",
        "json": {"a": [1, 2]},
        "npy": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "seg.png": PICTURE[:, :, 0],
        "bin": b"bytes",
    }
    pattern = str(tmp_path / "%02d.tar")
    with ShardWriter(pattern, maxcount=2, verbose=0) as writer:
        for one in range(3):
            writer.write({"__key__": f"folder/{one}", **values})
    dataset = TarDataset(tmp_path / "*.tar", tuple(values))
    assert (dataset.shards, len(dataset)) == (2, 3)
    image, label, text, tree, array, mask, data = dataset[2]
    np.testing.assert_array_equal(image, PICTURE)
    assert (label, text, tree, array.tolist(), data) == (
        3,
        "words",
        {"a": [1, 2]},
        [[0, 1, 2], [3, 4, 5]],
        b"bytes",
    )
    np.testing.assert_array_equal(mask[:, :, 0], PICTURE[:, :, 0])
    np.testing.assert_array_equal(TarDataset(tmp_path / "*.tar", "jpg;png")[0], PICTURE)
    raw = TarDataset(tmp_path / "*.tar")[1]
    assert raw.keys() == {"__key__", *values}
    assert (raw["__key__"], raw["cls"]) == ("folder/1", b"3")
    with pytest.raises(OptionError, match=r"sample folder/0 has \['bin', .*\], but no jpg;jpeg"):
        TarDataset(tmp_path / "*.tar", ("cls", "jpg;jpeg"))[0]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_other_entries(form: int, tmp_path: Path) -> None:
    folder = "/".join(["folder" * 6] * (5 if form == tarfile.USTAR_FORMAT else 9))
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as tar:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE):
            entry = tarfile.TarInfo("other")
            entry.type = kind
            tar.addfile(entry)
        add(tar, f"{folder}/é.x.txt", b"long")
        add(tar, "b.txt", b"")
    dataset = TarDataset([tmp_path / "a.tar"])
    assert [dataset[i] for i in range(len(dataset))] == [
        {"__key__": f"{folder}/é", "x.txt": b"long"},
        {"__key__": "b", "txt": b""},
    ]


def test_what_parquet_holds(tmp_path: Path) -> None:
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(12.0).reshape(2, 2, 3))
    columns = {
        "image": pa.array([{"bytes": png(PICTURE), "path": None}] * 2),
        "list": pa.array([[1.5, 2.5], [3.5]]),
        "fixed": pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)),
        "tensor": tensors,
        "words": pa.array(["a", None]),
        "data": pa.array([b"x", b"y"]),
    }
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    dataset = ParquetDataset(tmp_path / "a.parquet")
    row = dataset[1]
    np.testing.assert_array_equal(row["image"], PICTURE)
    assert (row["list"].tolist(), row["fixed"].tolist()) == ([3.5], [3, 4])
    assert row["tensor"].tolist() == [[6, 7, 8], [9, 10, 11]]
    assert (row["words"], row["data"]) == (None, b"y")
    assert ParquetDataset(tmp_path / "a.parquet", "data")[0] == b"x"


def test_groups_of_rows_are_read_once_in_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window holds as many of them as it spans, and no more."""
    dataset = parquets(tmp_path)
    reads: list[Any] = []
    read = parquet.ParquetFile.iter_batches

    def counted(file: Any, *args: Any, **options: Any) -> Any:
        reads.append(args)
        return read(file, *args, **options)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", counted)
    assert len(list(DataLoader(dataset.transform(number), 4, shuffle=True))) == 9
    assert len(reads) == sum(-(-size // 3) for size in SIZES)


def test_small_groups_of_rows_do_not_make_a_window_hold_more(tmp_path: Path) -> None:
    """The last group of a file is often small; what a window spans is two large ones and it."""
    rows = [b"x" * 2000] * 51
    for shard in range(12):
        parquet.write_table(pa.table({"x": rows}), tmp_path / f"{shard}.parquet", row_group_size=50)
    dataset = ParquetDataset(str(tmp_path / "*.parquet"), "x", window=40)
    before = pa.total_allocated_bytes()
    for read, place in enumerate(ShardSampler(dataset)):
        assert dataset[place] == rows[0]
        assert pa.total_allocated_bytes() - before < 5 * 50 * 2000, read


def test_groups_of_rows_larger_than_what_is_decoded_at_a_time(tmp_path: Path) -> None:
    rows = np.arange(3 * 200_000.0).reshape(3, -1)
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(rows)
    parquet.write_table(pa.table({"row": tensors}), tmp_path / "a.parquet")
    dataset = ParquetDataset(tmp_path / "a.parquet", "row")
    for position in (2, 0, 1):
        np.testing.assert_array_equal(dataset[position], rows[position])


def test_arrays_of_parquet_may_be_written_to(tmp_path: Path) -> None:
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((1, 2, 3)))
    parquet.write_table(pa.table({"list": [[1.0, 2.0]], "tensor": tensors}), tmp_path / "a.parquet")
    for _ in range(2):
        row = ParquetDataset(tmp_path / "a.parquet")[0]
        assert (row["list"].sum(), row["tensor"].sum()) == (3, 6)
        row["list"] += 1
        row["tensor"] += 1


def test_files_without_a_sample_in_tar_files(tmp_path: Path) -> None:
    """What webdataset passes over: names without an end, and hidden ones."""
    with tarfile.open(tmp_path / "[1].tar", "w") as tar:
        for name in ("README", "./.hidden.txt", "__info__", "a.txt"):
            add(tar, name, b"words")
    dataset = TarDataset(str(tmp_path / "[1].tar"))
    assert (len(dataset), dataset[0]) == (1, {"__key__": "a", "txt": b"words"})


def test_names_that_are_no_text(tmp_path: Path) -> None:
    form = tarfile.GNU_FORMAT
    with tarfile.open(tmp_path / "a.tar", "w", format=form, encoding="latin-1") as tar:
        add(tar, "é.cls", b"1")
        add(tar, "ü" * 101 + ".cls", b"2")
    dataset = TarDataset(tmp_path / "a.tar", "cls")
    assert (dataset[0], dataset[1]) == (1, 2)


# Files that are broken.


def test_a_file_that_is_cut_off_while_it_is_open(tmp_path: Path) -> None:
    dataset = tars(tmp_path)
    assert dataset[0] == (0, "number 0")
    path = tmp_path / "0.tar"
    path.write_bytes(path.read_bytes()[: 512 + 512 + 512 + 3])
    with pytest.raises(OptionError, match=r"0\.tar is cut off in 000\.txt"):
        dataset[0, 0]


def test_a_part_that_is_there_twice(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for label in b"12":
            add(tar, "a.cls", bytes([label]))
    with pytest.raises(OptionError, match=r"a\.tar has a\.cls twice"):
        TarDataset(tmp_path / "a.tar", "cls")[0]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def no_tar(data: bytes) -> bytes:
    return b"text" * 200


def damaged(data: bytes) -> bytes:
    """The size in the header of the third file is no number."""
    begin = 4 * 512 + 124
    return data[:begin] + b"size" + data[begin + 4 :]


def without_end(data: bytes) -> bytes:
    """As a writer leaves it that is killed between two files."""
    return data.rstrip(b"\0").ljust(-(-len(data.rstrip(b"\0")) // 512) * 512, b"\0")


@pytest.mark.parametrize(
    ("kind", "broken", "message"),
    [
        (tars, cut, r"0\.tar is cut off after \d samples$"),
        (tars, without_end, r"0\.tar is cut off after 7 samples$"),
        (tars, no_tar, r"0\.tar is no tar file$"),
        (tars, damaged, r"0\.tar is damaged after 1 samples$"),
        (tars, gzip.compress, r"0\.tar is no tar file \(it is compressed; unpack it with gunzip"),
        (parquets, cut, r"0\.parquet is no whole parquet file"),
    ],
)
def test_broken_files(
    kind: Any, broken: Callable[[bytes], bytes], message: str, tmp_path: Path
) -> None:
    kind(tmp_path)
    [path] = tmp_path.glob("0.*")
    path.write_bytes(broken(path.read_bytes()))
    with pytest.raises(NncError, match=message):
        list(DataLoader(kind_of(path), 4))


def kind_of(path: Path) -> ShardedDataset:
    files = [path.with_stem("1"), path]
    return TarDataset(files, "cls") if path.suffix == ".tar" else ParquetDataset(files, "cls")


def test_a_file_that_goes_while_it_is_needed(tmp_path: Path) -> None:
    dataset = tars(tmp_path)
    (tmp_path / "4.tar").unlink()
    with pytest.raises(FileNotFoundError, match=r"4\.tar"):
        list(DataLoader(dataset.transform(number), 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TarDataset("none-*.tar"), r"TarDataset: there is no file none-\*\.tar$"),
        (lambda: TarDataset(["none.tar"]), r"TarDataset: there is no file none\.tar$"),
        (lambda: TarDataset([]), "TarDataset: there is no file$"),
    ],
)
def test_files_that_are_not_there(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        call()


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    write_parquets(tmp_path)
    with pytest.raises(OptionError, match="ParquetDataset: columns: no 'clss'; did you mean cls"):
        ParquetDataset(tmp_path / "0.parquet", ("clss",))


def test_a_sample_that_is_no_image(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "a.png", b"no image")
    message = r"sample 0 of .*a\.tar: OptionError: decode: 8 bytes that are no image"
    with pytest.raises(SampleError, match=message):
        list(DataLoader(TarDataset(tmp_path / "a.tar", "png"), 1))
