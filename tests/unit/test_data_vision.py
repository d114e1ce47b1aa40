"""Datasets of images: read back from files as they are published, and files that are wrong."""

import gzip
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nnc import image, nd
from nnc.errors import NncError, OptionError
from nnc.gluon.data import DataLoader, RecordFileDataset, vision
from nnc.gluon.data.libraries import needed

Array = np.ndarray[Any, np.dtype[Any]]
DRAWS = np.random.default_rng(0)
DIGITS: Array = DRAWS.integers(0, 256, (5, 28, 28), dtype=np.uint8)
PHOTOS: Array = DRAWS.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
LABELS: Array = np.array([3, 0, 9, 1, 7], np.uint8)


def png(picture: Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def inverted(image: Array, label: int) -> Any:
    return 255 - image, label + 1


# MNIST and CIFAR.


def idx(array: Array) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_digits(folder: Path, part: str = "train", pack: bool = False) -> None:
    for kind, array in (("images-idx3", DIGITS), ("labels-idx1", LABELS)):
        data = idx(array)
        name = f"{part}-{kind}-ubyte"
        (folder / (f"{name}.gz" if pack else name)).write_bytes(
            gzip.compress(data) if pack else data
        )


@pytest.mark.parametrize("kind", [vision.MNIST, vision.FashionMNIST])
@pytest.mark.parametrize("pack", [True, False])
def test_mnist(kind: type[vision.MNIST], pack: bool, tmp_path: Path) -> None:
    write_digits(tmp_path, "t10k", pack)
    dataset = kind(str(tmp_path), train=False)
    image, label = dataset[2]
    assert (len(dataset), image.shape, image.dtype, label, label.dtype) == (
        5, (28, 28, 1), np.uint8, 9, np.int32
    )  # fmt: skip
    np.testing.assert_array_equal(image[:, :, 0], DIGITS[2])
    images, labels = next(iter(DataLoader(dataset, 5)))
    np.testing.assert_array_equal(images.asnumpy()[..., 0], DIGITS)
    assert labels.asnumpy().tolist() == LABELS.tolist()
    changed = kind(str(tmp_path), False, inverted)
    np.testing.assert_array_equal(changed[2][0][:, :, 0], 255 - DIGITS[2])
    assert next(iter(DataLoader(changed, 5)))[1].asnumpy().tolist() == (LABELS + 1).tolist()


def test_cifar10(tmp_path: Path) -> None:
    for batch in range(5):
        rows = [bytes([batch]) + photo.transpose(2, 0, 1).tobytes() for photo in PHOTOS]
        (tmp_path / f"data_batch_{batch + 1}.bin").write_bytes(b"".join(rows))
    dataset = vision.CIFAR10(str(tmp_path))
    assert len(dataset) == 20
    for position in (0, 6, 19):
        image, label = dataset[position]
        np.testing.assert_array_equal(image, PHOTOS[position % 4])
        assert label == position // 4


@pytest.mark.parametrize("fine", [False, True])
def test_cifar100(fine: bool, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    rows = [
        bytes([i, 90 + i]) + photo.transpose(2, 0, 1).tobytes() for i, photo in enumerate(PHOTOS)
    ]
    (folder / "test.bin").write_bytes(b"".join(rows))
    image, label = vision.CIFAR100(str(tmp_path), fine, train=False)[3]
    np.testing.assert_array_equal(image, PHOTOS[3])
    assert label == (93 if fine else 3)


# Images one by one, as `mx.image` has them.


def test_images_are_arrays(tmp_path: Path) -> None:
    photo = PHOTOS[0]
    (tmp_path / "a.png").write_bytes(png(photo))
    read = image.imread(tmp_path / "a.png")
    assert read.dtype == "uint8"
    np.testing.assert_array_equal(read.asnumpy(), photo)
    np.testing.assert_array_equal(image.imdecode(png(photo), to_rgb=False), photo[:, :, ::-1])
    assert image.imread(tmp_path / "a.png", flag=0).shape == (32, 32, 1)
    np.testing.assert_array_equal(image.fixed_crop(read, 3, 4, 5, 6).asnumpy(), photo[4:10, 3:8])
    assert image.fixed_crop(read, 3, 4, 5, 6, size=(10, 12)).shape == (12, 10, 3)
    assert image.imresize(read, 8, 16).shape == (16, 8, 3)
    assert image.resize_short(read[:, :16], 8).shape == (16, 8, 3)
    for crop in (image.random_crop, image.center_crop):
        part, (left, top, width, height) = crop(read, (10, 20))
        assert (width, height) == (10, 20)
        np.testing.assert_array_equal(part, photo[top : top + 20, left : left + 10])
    assert (left, top) == (11, 6)
    part, (_, _, width, height) = image.random_size_crop(read, (7, 9), (0.2, 0.3), (0.9, 1.1))
    assert part.shape == (9, 7, 3)
    assert 0.15 < width * height / 32**2 < 0.35
    mean, deviation = np.array([1.0, 2, 3], "f"), np.array([4.0, 5, 6], "f")
    normal = image.color_normalize(read, nd.array(mean), nd.array(deviation)).asnumpy()
    np.testing.assert_allclose(normal, (photo - mean) / deviation, rtol=1e-6)


def test_mistakes_with_images(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(OptionError, match=r"a\.png: decode: 2 bytes that are no image"):
        image.imread(tmp_path / "a.png")
    with pytest.raises(NncError, match="random_crop: expected an image"):
        image.random_crop(nd.ones((4, 4)), (2, 2))
    with pytest.raises(AttributeError, match=r"ImageIter'; datasets .* in nnc.gluon.data.vision"):
        _ = image.ImageIter


# Images in files.


def test_image_folder(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "b.png").write_bytes(png(PHOTOS[0]))
        (tmp_path / name / "a.PNG").write_bytes(png(PHOTOS[1]))
        (tmp_path / name / "notes.txt").write_text("no image")
    np.save(tmp_path / "dogs" / "c.npy", PHOTOS[2])
    dataset = vision.ImageFolderDataset(str(tmp_path))
    assert dataset.synsets == ["cats", "dogs"]
    assert [label for _, label in dataset.items] == [0, 0, 1, 1, 1]
    for position, photo in ((0, 1), (1, 0), (4, 2)):
        np.testing.assert_array_equal(dataset[position][0], PHOTOS[photo])
    grey = vision.ImageFolderDataset(str(tmp_path), flag=0)[1][0]
    np.testing.assert_array_equal(
        grey[:, :, 0], np.asarray(Image.fromarray(PHOTOS[0]).convert("L"))
    )
    assert vision.ImageFolderDataset(str(tmp_path), transform=inverted)[3][1] == 2


@pytest.mark.parametrize("flag", [0, 1])
def test_grey_of_16_bits_is_that_of_the_higher_8(flag: int) -> None:
    """Pillow would make all white that is above 255."""
    deep = DRAWS.integers(0, 2**16, (5, 4), dtype=np.uint16)
    image = vision.decode(png(deep), flag)
    assert image.shape == (5, 4, 3 if flag else 1)
    np.testing.assert_array_equal(image, np.broadcast_to((deep >> 8)[..., None], image.shape))


def test_images_may_be_written_to() -> None:
    image = vision.decode(png(PHOTOS[0]))
    image[:2] = 0
    smaller = vision.transforms.Resize(8)(image)
    smaller += 1


def test_image_list(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(PHOTOS[0]))
    (tmp_path / "train.lst").write_text("0\t3\ta.png\n\n1\t1.5\t2.5\ta.png\n")
    for rows in ("train.lst", [[3, "a.png"], [1.5, 2.5, "a.png"]]):
        dataset = vision.ImageListDataset(str(tmp_path), rows)
        assert len(dataset) == 2
        np.testing.assert_array_equal(dataset[0][0], PHOTOS[0])
        assert dataset[0][1] == 3
        assert dataset[1][1].tolist() == [1.5, 2.5]


MAGIC = struct.pack("<I", 0xCED7230A)


def record(data: bytes, kind: int = 0) -> bytes:
    return MAGIC + struct.pack("<I", kind << 29 | len(data)) + data + bytes(-len(data) % 4)


def write_records(folder: Path, *parts: bytes) -> str:
    """A record file of MXNet and its index."""
    ends = np.cumsum([0, *map(len, parts)])
    (folder / "a.rec").write_bytes(b"".join(parts))
    (folder / "a.idx").write_text("".join(f"{i}\t{end}\n" for i, end in enumerate(ends[:-1])))
    return str(folder / "a.rec")


def test_records(tmp_path: Path) -> None:
    """The second has the magic number in it, and is written in three parts."""
    split = record(b"xy", 1) + record(b"zw", 2) + record(b"end", 3)
    dataset = RecordFileDataset(write_records(tmp_path, record(b"first"), split, record(b"last")))
    assert [dataset[i] for i in range(len(dataset))] == [
        b"first",
        b"xy" + MAGIC + b"zw" + MAGIC + b"end",
        b"last",
    ]


def test_image_records(tmp_path: Path) -> None:
    one = struct.pack("<IfQQ", 0, 4.0, 0, 0) + png(PHOTOS[0])
    several = struct.pack("<IfQQ2f", 2, 0, 1, 0, 1.5, 2.5) + png(PHOTOS[1])
    dataset = vision.ImageRecordDataset(write_records(tmp_path, record(one), record(several)))
    np.testing.assert_array_equal(dataset[0][0], PHOTOS[0])
    assert dataset[0][1] == 4
    np.testing.assert_array_equal(dataset[1][0], PHOTOS[1])
    assert dataset[1][1].tolist() == [1.5, 2.5]
    both = vision.ImageRecordDataset(str(tmp_path / "a.rec"), 1, inverted)
    np.testing.assert_array_equal(both[0][0], 255 - PHOTOS[0])


# Files that are wrong.


def truncated_digits(folder: Path) -> Any:
    write_digits(folder)
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-9])
    return vision.MNIST(str(folder))


def truncated_gzip(folder: Path) -> Any:
    write_digits(folder, pack=True)
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    return vision.MNIST(str(folder))


def no_digits(folder: Path) -> Any:
    write_digits(folder)
    (folder / "train-labels-idx1-ubyte").write_text("text")
    return vision.MNIST(str(folder))


def truncated_photos(folder: Path) -> Any:
    (folder / "test_batch.bin").write_bytes(bytes(5000))
    return vision.CIFAR10(str(folder), train=False)


def truncated_record(folder: Path) -> Any:
    name = write_records(folder, record(b"first"), record(b"last")[:-7])
    return RecordFileDataset(name)[1]


def no_index(folder: Path) -> Any:
    name = write_records(folder, record(b"first"))
    (folder / "a.idx").write_text("text")
    return RecordFileDataset(name)


def no_picture(folder: Path) -> Any:
    (folder / "a").mkdir()
    (folder / "a" / "b.png").write_bytes(b"text")
    return vision.ImageFolderDataset(str(folder))[0]


def truncated_array(folder: Path) -> Any:
    (folder / "a").mkdir()
    path = folder / "a" / "b.npy"
    np.save(path, PHOTOS)
    path.write_bytes(path.read_bytes()[:-9])
    return vision.ImageFolderDataset(str(folder))[0]


MISTAKES: dict[Callable[[Path], Any], str] = {
    lambda folder: vision.MNIST(str(folder)): (
        r"MNIST: .* has no train-images-idx3-ubyte.gz; get the files from yann.lecun.com/exdb/mnist"
    ),
    lambda folder: vision.FashionMNIST(str(folder)): "`apt install dataset-fashion-mnist`",
    lambda folder: vision.CIFAR100(str(folder)): "has no train.bin; get the files from www.cs.tor",
    truncated_digits: r"train-images-idx3-ubyte is cut off, or of another kind: \d+ bytes",
    truncated_gzip: r"train-images-idx3-ubyte.gz is cut off, or no gzip file",
    no_digits: "train-labels-idx1-ubyte is no idx file of bytes with 1 axes",
    truncated_photos: r"test_batch.bin is cut off, or of another kind: 5000 bytes",
    truncated_record: r"a.rec: no whole record at byte 16; the file is cut off, or the .idx file",
    no_index: r"a.idx is no index of records",
    lambda folder: RecordFileDataset(str(folder / "b.rec")): "there is no .*b.rec; MXNet's im2rec",
    no_picture: r"b.png: decode: 4 bytes that are no image",
    truncated_array: r"b.npy: no whole array: ",
    lambda folder: vision.ImageFolderDataset(str(folder)): "expected one folder for each class",
    lambda folder: vision.ImageListDataset(
        str(folder)
    ): "expected the name of a .lst file, or rows",
    lambda folder: vision.ImageListDataset(str(folder), "a.lst"): "there is no file a.lst",
}


@pytest.mark.parametrize("call", MISTAKES)
def test_a_mistake_is_explained(call: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(NncError, match=MISTAKES[call]):
        call(tmp_path)


def test_pillow_is_named_where_it_is_missing() -> None:
    with pytest.raises(OptionError, match=r"resizing needs Pillow: pip install 'nnc\[data\]'"):
        needed("nnc_has_no_such_module", "Pillow", "resizing")
