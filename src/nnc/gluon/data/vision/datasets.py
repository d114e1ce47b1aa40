"""Datasets of images in files, in the formats they are published in. Nothing is downloaded."""

import gzip
import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nnc.errors import OptionError
from nnc.gluon.data.dataset import ArrayDataset, Dataset, Sample
from nnc.gluon.data.record import RecordFileDataset
from nnc.gluon.data.vision.images import Image, decode

Transform = Callable[[Any, Any], Sample]
HOME = "~/.mxnet/datasets"
"""Where MXNet keeps what it downloads."""
RECORD_HEADER = "<IfQQ"
"""The number of labels, if there are several; the label; two numbers that name the record."""


class ImagesInMemory(ArrayDataset):
    """Images (H, W, C) of bytes with their labels, int32; `transform(image, label)` on both."""

    SOURCE: ClassVar[str]
    """Where people get the files."""

    def __init__(self, root: str, parts: list[Any], transform: Transform | None):
        self._root = Path(root).expanduser()
        images, labels = zip(*(self.read(part) for part in parts), strict=True)
        super().__init__(np.concatenate(images), np.concatenate(labels).astype(np.int32))
        self._transform = transform

    def read(self, part: Any) -> tuple[Image, Image]:
        """Images and labels of one of the dataset's files."""
        raise NotImplementedError

    def content(self, *names: str) -> bytes:
        """The bytes of the first of these files that there is."""
        for path in (self._root / name for name in names):
            if path.is_file():
                data = path.read_bytes()
                try:
                    return gzip.decompress(data) if path.suffix == ".gz" else data
                except (EOFError, OSError):
                    raise OptionError(f"{path} is cut off, or no gzip file") from None
        raise OptionError(
            f"{type(self).__name__}: {self._root} has no {names[0]}; get the files from "
            f"{self.SOURCE}, and give their folder as root"
        )

    def __getitem__(self, idx: int) -> Sample:
        image, label = super().__getitem__(idx)
        return (image, label) if self._transform is None else self._transform(image, label)

    def rows(self, indices: Any) -> Sample | None:
        return super().rows(indices) if self._transform is None else None


class MNIST(ImagesInMemory):
    """Handwritten digits, (28, 28, 1), 60000 to train and 10000 to test; idx files, or .gz."""

    SOURCE = "yann.lecun.com/exdb/mnist"

    def __init__(
        self,
        root: str = f"{HOME}/mnist",
        train: bool = True,
        transform: Transform | None = None,
    ):
        super().__init__(root, ["train" if train else "t10k"], transform)

    def read(self, part: str) -> tuple[Image, Image]:
        images = self._idx(f"{part}-images-idx3-ubyte", 3)
        labels = self._idx(f"{part}-labels-idx1-ubyte", 1)
        return images[..., None], labels

    def _idx(self, name: str, rank: int) -> Image:
        """An idx file of bytes: two zeros, the type 8, the rank, big-endian sizes, the data."""
        data = self.content(f"{name}.gz", name)
        if data[:4] != bytes([0, 0, 8, rank]):
            raise OptionError(f"{self._root / name} is no idx file of bytes with {rank} axes")
        return array_of(self._root / name, data, 4 + 4 * rank, np.frombuffer(data, ">u4", rank, 4))


class FashionMNIST(MNIST):
    """Pictures of clothes, (28, 28, 1), in 10 classes, in the files of MNIST."""

    SOURCE = (
        "github.com/zalandoresearch/fashion-mnist, or on Debian by "
        "`apt install dataset-fashion-mnist` in /usr/share/datasets/fashion-mnist"
    )

    def __init__(
        self,
        root: str = f"{HOME}/fashion-mnist",
        train: bool = True,
        transform: Transform | None = None,
    ):
        super().__init__(root, train, transform)


class CIFAR10(ImagesInMemory):
    """Photographs, (32, 32, 3), in 10 classes, 50000 to train and 10000 to test: binary version."""

    SOURCE = "www.cs.toronto.edu/~kriz/cifar.html (the binary version, unpacked)"
    LABELS = 1

    def __init__(
        self,
        root: str = f"{HOME}/cifar10",
        train: bool = True,
        transform: Transform | None = None,
    ):
        parts = [f"data_batch_{i}.bin" for i in range(1, 6)] if train else ["test_batch.bin"]
        super().__init__(root, parts, transform)

    def read(self, part: str) -> tuple[Image, Image]:
        data = self.content(part, f"cifar-10-batches-bin/{part}")
        return self.records(part, data, self.LABELS - 1)

    def records(self, part: str, data: bytes, label: int) -> tuple[Image, Image]:
        """Records of labels and the image, red before green before blue."""
        size = self.LABELS + 3072
        rows = array_of(self._root / part, data, 0, [len(data) // size, size])
        images = rows[:, self.LABELS :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(images), rows[:, label]


class CIFAR100(CIFAR10):
    """Photographs, (32, 32, 3), in 20 classes, or with `fine_label` in 100."""

    LABELS = 2

    def __init__(
        self,
        root: str = f"{HOME}/cifar100",
        fine_label: bool = False,
        train: bool = True,
        transform: Transform | None = None,
    ):
        self._label = int(fine_label)
        ImagesInMemory.__init__(self, root, ["train.bin" if train else "test.bin"], transform)

    def read(self, part: str) -> tuple[Image, Image]:
        return self.records(part, self.content(part, f"cifar-100-binary/{part}"), self._label)


class ImageFiles(Dataset):
    """Images in files, with labels; `transform(image, label)` on both. `flag=0` makes them grey."""

    def __init__(self, items: list[tuple[Path, Any]], flag: int, transform: Transform | None):
        self.items = items
        self._flag = flag
        self._transform = transform

    def __getitem__(self, idx: int) -> Sample:
        path, label = self.items[idx]
        image = array_in(path) if path.suffix == ".npy" else image_in(path, self._flag)
        return (image, label) if self._transform is None else self._transform(image, label)

    def __len__(self) -> int:
        return len(self.items)


class ImageFolderDataset(ImageFiles):
    """The images in the folders of `root`, one for each class: jpg, jpeg, png, bmp or npy.

    `synsets` are the names of the classes, in order; `items` the files with their labels.
    """

    def __init__(self, root: str, flag: int = 1, transform: Transform | None = None):
        folder = Path(root).expanduser()
        folders = sorted(path for path in folder.glob("*") if path.is_dir())
        self.synsets = [path.name for path in folders]
        items = [
            (path, label)
            for label, folder in enumerate(folders)
            for path in sorted(folder.iterdir())
            if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".bmp", ".npy"}
        ]
        if not items:
            raise OptionError(
                f"ImageFolderDataset: {root} has no folders with images; expected one folder for "
                "each class, with .jpg, .png or .npy files"
            )
        super().__init__(items, flag, transform)


class ImageListDataset(ImageFiles):
    """Images by a list: a file of lines `number <tab> label… <tab> path`, or rows [label…, path].

    Paths are relative to `root`. One label is a number, several are an array.
    """

    def __init__(self, root: str = ".", imglist: Any = None, flag: int = 1):
        if not isinstance(imglist, str | Path | list | tuple):
            raise OptionError(
                f"ImageListDataset: imglist: expected the name of a .lst file, or rows "
                f"[label, path], given {imglist!r}"
            )
        rows = read_list(Path(root), imglist) if isinstance(imglist, str | Path) else imglist
        items = [(Path(root).expanduser() / row[-1], label_of(row[:-1])) for row in rows]
        super().__init__(items, flag, None)


class ImageRecordDataset(RecordFileDataset):
    """The images of a record file with their labels; `transform(image, label)` on both."""

    def __init__(self, filename: str, flag: int = 1, transform: Transform | None = None):
        super().__init__(filename)
        self._flag = flag
        self._transform = transform

    def __getitem__(self, idx: int) -> Sample:
        record = super().__getitem__(idx)
        several, label, _, _ = struct.unpack_from(RECORD_HEADER, record)
        begin = struct.calcsize(RECORD_HEADER)
        if several:
            label = np.frombuffer(record, "<f4", several, begin)
            begin += 4 * several
        image = decode(record[begin:], self._flag)
        return (image, label) if self._transform is None else self._transform(image, label)


def array_of(path: Path, data: bytes, begin: int, shape: Iterable[int]) -> Image:
    """The bytes of a file from `begin` on, as an array; all of them must belong to it."""
    sizes = [int(size) for size in shape]
    if len(data) - begin != np.prod(sizes) or not len(data):
        raise OptionError(f"{path} is cut off, or of another kind: {len(data)} bytes")
    return np.frombuffer(data, np.uint8, offset=begin).reshape(sizes)


def array_in(path: Path) -> Image:
    """The array in a file of numpy's."""
    try:
        return np.load(path)
    except (ValueError, EOFError) as error:
        raise OptionError(f"{path}: no whole array: {error}") from None


def image_in(path: Path, flag: int) -> Image:
    """The image in a file."""
    try:
        return decode(path.read_bytes(), flag)
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None


def read_list(root: Path, name: str | Path) -> list[Sequence[Any]]:
    """The rows of a list file, without their numbers."""
    path = next((p for p in (Path(name), root / name) if p.is_file()), None)
    if path is None:
        raise OptionError(f"ImageListDataset: there is no file {name}")
    return [line.split("\t")[1:] for line in path.read_text().splitlines() if line.strip()]


def label_of(values: Sequence[Any]) -> Any:
    """One label as a number, several as an array."""
    labels = np.asarray(values, np.float32).reshape(-1)
    return labels if labels.size != 1 else float(labels[0])
