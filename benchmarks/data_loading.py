"""How fast data gets to the training thread.

    python benchmarks/data_loading.py stream --gigabytes 4
    python benchmarks/data_loading.py stream --gigabytes 4 --format parquet
    python benchmarks/data_loading.py images

`stream` writes tar or parquet shards, trains on them with two workers and says how long the
training thread waited, how much memory all processes had at most, and whether a second loader,
given the state of the middle, gives the same batches. `images` reads JPEG files through the same
transforms with nnc's loader and with PyTorch's (torchvision's transforms), two workers each, epoch
by epoch in turn.
"""

import argparse
import hashlib
import io
import itertools
import os
import statistics
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

import nnc
from nnc import gluon
from nnc.gluon import nn
from nnc.gluon.data.vision import transforms

Array = np.ndarray[Any, np.dtype[Any]]
SIDE, CROP, BATCH, WORKERS = 96, 64, 64, 2
SHARD = 256 << 20
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


# Shards larger than memory.


def write_shards(folder: Path, size: int, kind: str) -> None:
    """Files of about `SHARD` bytes."""
    samples = pictures()
    count = max(1, size // SHARD)
    each = min(size, SHARD) // (SIDE * SIDE * 3 + 2048)
    for shard in range(count):
        path, part = folder / f"{shard:03}.{kind}", itertools.islice(samples, each)
        write_tar(path, part) if kind == "tar" else write_parquet(path, part)


def pictures() -> Iterator[tuple[Array, int]]:
    """Noise in 10 colours, with the number of the colour."""
    draws = np.random.default_rng(0)
    colours = draws.integers(0, 128, (10, 1, 1, 3), dtype=np.uint8)
    noise = draws.integers(0, 128, (256, SIDE, SIDE, 3), dtype=np.uint8)
    for label in itertools.cycle(range(10)):
        yield colours[label] + noise[draws.integers(256)], label


def write_tar(path: Path, samples: Iterator[tuple[Array, int]]) -> None:
    with tarfile.open(path, "w") as tar:
        for number, (picture, label) in enumerate(samples):
            array = io.BytesIO()
            np.save(array, picture)
            add(tar, f"{number:08}.npy", array.getvalue())
            add(tar, f"{number:08}.cls", str(label).encode())


def write_parquet(path: Path, samples: Iterator[tuple[Array, int]]) -> None:
    """Groups of 256 rows, not compressed, as noise cannot be."""
    writer: Any = None
    while group := list(itertools.islice(samples, 256)):
        images, labels = zip(*group, strict=True)
        tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.stack(images))
        table = pa.table({"image": tensors, "label": labels})
        writer = writer or parquet.ParquetWriter(path, table.schema, compression="none")
        writer.write_table(table)
    writer.close()


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def stream_loader(folder: Path, kind: str) -> gluon.data.DataLoader:
    """Random crops and mirror images of the shards, as bytes."""
    augment = transforms.Compose([transforms.RandomCrop(CROP), transforms.RandomFlipLeftRight()])
    dataset: gluon.data.Dataset
    if kind == "tar":
        dataset = gluon.data.TarDataset(folder / "*.tar", ("npy", "cls"), window=2000)
    else:
        dataset = gluon.data.ParquetDataset(folder / "*.parquet", ("image", "label"), window=2000)
    return gluon.data.DataLoader(
        dataset.transform_first(augment),
        BATCH,
        shuffle=True,
        last_batch="discard",
        num_workers=WORKERS,
        prefetch=8,
    )


def training_step() -> Any:
    """A convolutional network that takes bytes."""
    net = nn.HybridSequential(
        transforms.HybridCompose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)]),
        nn.Conv2D(24, 3, strides=2, padding=1, activation="relu"),
        nn.Conv2D(48, 3, strides=2, padding=1, activation="relu"),
        nn.GlobalAvgPool2D(),
        nn.Dense(10),
    )
    net.initialize(nnc.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-3})
    return nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)


class Memory(threading.Thread):
    """Watches how much memory this process and its children have, shared parts counted once."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0

    def run(self) -> None:
        own = psutil.Process()
        while True:
            sizes: list[int] = []
            for process in [own, *own.children(recursive=True)]:
                try:
                    sizes.append(process.memory_full_info().pss)
                except psutil.Error:
                    continue
            self.most = max(self.most, sum(sizes))
            time.sleep(2)


def digest(batch: Any) -> str:
    return hashlib.sha256(b"".join(part.asnumpy().tobytes() for part in batch)).hexdigest()


def stream(folder: Path, size: int, kind: str) -> None:
    begin = time.perf_counter()
    if not list(folder.glob(f"*.{kind}")):
        write_shards(folder, size, kind)
    written = sum(path.stat().st_size for path in folder.glob(f"*.{kind}"))
    print(f"{written / 2**30:.2f} GiB of shards, written in {time.perf_counter() - begin:.0f} s")
    memory = Memory()
    memory.start()
    nnc.random.seed(0)
    loader, step = stream_loader(folder, kind), training_step()
    middle = written // (BATCH * (SIDE * SIDE * 3 + 2048)) // 2
    waits: list[float] = []
    digests: list[str] = []
    state: dict[str, Any] = {}
    loss: Any = None
    begin = time.perf_counter()
    for data, label in timed(iter(loader), waits):
        loss = step(data, label)
        done = len(waits)
        if done == middle:
            state = loader.state_dict()
        if middle < done <= middle + 20:
            digests.append(digest((data, label)))
    seconds = time.perf_counter() - begin
    print(
        f"trained on {len(waits) - 1} batches in {seconds:.1f} s, "
        f"{seconds / len(waits) * 1e3:.1f} ms each, loss {float(loss.mean()):.3f}\n"
        f"waited {sum(waits) / seconds:.1%} of the time; without the first batch, for which "
        f"workers start ({waits[0]:.1f} s), {sum(waits[1:]) / (seconds - waits[0]):.2%}\n"
        f"memory of all processes: at most {memory.most / 2**20:.0f} MiB"
    )
    begin = time.perf_counter()
    resumed = stream_loader(folder, kind)
    resumed.load_state_dict(state)
    again = [digest(batch) for batch, _ in zip(resumed, digests, strict=False)]
    print(
        f"resumed after batch {middle}: {'the same' if again == digests else 'OTHER'} "
        f"{len(digests)} batches, in {time.perf_counter() - begin:.1f} s"
    )


def timed(batches: Iterator[Any], waits: list[float]) -> Iterator[Any]:
    """The batches; `waits` gets how long each took to come."""
    while True:
        begin = time.perf_counter()
        batch = next(batches, None)
        waits.append(time.perf_counter() - begin)
        if batch is None:
            return
        yield batch


# Images in files, beside PyTorch.


def write_images(folder: Path, count: int) -> None:
    """JPEG files of 320 x 240 in two classes, about as detailed as photographs."""
    folder.mkdir(exist_ok=True)
    draws = np.random.default_rng(0)
    for number in range(count):
        small = draws.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC)
        noise = draws.integers(-12, 13, (240, 320, 3))
        noisy = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
        path = folder / "ab"[number % 2] / f"{number:05}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noisy).save(path, quality=90)


def nnc_loader(folder: Path, floats: bool) -> Any:
    steps = [transforms.RandomResizedCrop(128), transforms.RandomFlipLeftRight()]
    if floats:
        steps += [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    dataset = gluon.data.vision.ImageFolderDataset(str(folder))
    dataset = dataset.transform_first(transforms.Compose(steps))
    return gluon.data.DataLoader(dataset, 32, shuffle=True, num_workers=WORKERS)


def torch_loader(folder: Path) -> Any:
    # Compiled operators of the wheel may be for another PyTorch; transforms use none of them.
    sys.modules["torchvision._meta_registrations"] = ModuleType("unused")
    data: Any = import_module("torch.utils.data")
    transforms: Any = import_module("torchvision.transforms")
    folders: Any = import_module("torchvision.datasets")
    compose = transforms.Compose(
        [
            transforms.RandomResizedCrop(128),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    dataset = folders.ImageFolder(str(folder), compose)
    return data.DataLoader(dataset, 32, shuffle=True, num_workers=WORKERS, persistent_workers=True)


def images(folder: Path, count: int, epochs: int) -> None:
    write_images(folder, count)
    loaders = {
        "nnc": nnc_loader(folder, True),
        "nnc, ToTensor and Normalize in the step": nnc_loader(folder, False),
        "torch": torch_loader(folder),
    }
    rates: dict[str, list[float]] = {name: [] for name in loaders}
    for epoch in range(epochs + 1):  # The first one starts the workers.
        for name in sorted(loaders, reverse=bool(epoch % 2)):
            begin = time.perf_counter()
            total = sum(len(label) for _, label in loaders[name])
            rates[name].append(total / (time.perf_counter() - begin))
    torch_rate = statistics.median(rates["torch"][1:])
    for name, measured in rates.items():
        rate = statistics.median(measured[1:])
        print(f"{name}: {rate:.0f} images/s, {rate / torch_rate:.2f} of torch")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("stream", "images"))
    parser.add_argument("--gigabytes", type=float, default=4)
    parser.add_argument("--format", choices=("tar", "parquet"), default="tar")
    parser.add_argument("--folder", help="keeps the files, and uses those that are there")
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    os.environ.setdefault("NNC_THREADS", "1")  # The other processor is the workers'.
    with tempfile.TemporaryDirectory(prefix="nnc-data-") as temporary:
        folder = options.folder or temporary
        if options.what == "stream":
            stream(Path(folder), int(options.gigabytes * 2**30), options.format)
        else:
            images(Path(folder), options.images, options.epochs)


if __name__ == "__main__":
    main()
