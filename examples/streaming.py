"""Train on tar shards that need not fit in memory, stop in the middle of an epoch, and go on.

    python examples/streaming.py
    python examples/streaming.py --images /usr/share/datasets/fashion-mnist --epochs 2

Images and their classes are written to tar files as webdataset has them, in a temporary folder:
scikit-learn's digits, or with `--images` Fashion-MNIST (Debian's dataset-fashion-mnist). Two
workers read, crop and stack them, while the network trains. Halfway through the last epoch the
training is saved with `nnc.checkpoint`; another one starts from the file, gets the batches that
would have come next, and ends with the same parameters.
"""

import argparse
import io
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import nnc
from nnc import checkpoint, gluon
from nnc.gluon import nn
from nnc.gluon.data.vision import transforms

Array = np.ndarray[Any, np.dtype[Any]]
BATCH, SHARDS = 64, 8


def pictures(folder: str | None) -> tuple[Array, Array]:
    """Grey images (N, H, W) of bytes, and their classes."""
    if folder is not None:
        loader = gluon.data.DataLoader(gluon.data.vision.FashionMNIST(folder), 60000)
        images, labels = (array.asnumpy() for array in next(iter(loader)))
        return images[..., 0], labels
    digits: Any = load_digits()
    return np.rint(digits.images * 15.9).astype(np.uint8), digits.target


def write_shards(folder: Path, images: Array, labels: Array) -> None:
    """Image i goes to shard i % SHARDS, as `<i>.png` and `<i>.cls`."""
    for shard in range(SHARDS):
        with tarfile.open(folder / f"{shard}.tar", "w") as tar:
            for i in range(shard, len(images), SHARDS):
                file = io.BytesIO()
                Image.fromarray(images[i]).save(file, "PNG")
                for end, data in (("png", file.getvalue()), ("cls", str(labels[i]).encode())):
                    entry = tarfile.TarInfo(f"{i:06}.{end}")
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))


class Training:
    """A network, its trainer, and the loader of its shards."""

    def __init__(self, folder: Path, side: int):
        crop = transforms.RandomCrop(side, pad=1)
        dataset = gluon.data.TarDataset(folder / "*.tar", ("png", "cls"), window=500)
        self.loader = gluon.data.DataLoader(
            dataset.transform_first(crop), BATCH, shuffle=True, last_batch="discard", num_workers=2
        )
        self.net = nn.HybridSequential(
            transforms.ToTensor(),
            nn.Conv2D(16, 3, activation="relu"),
            nn.MaxPool2D(2),
            nn.Dense(64, activation="relu"),
            nn.Dense(10),
        )
        self.net.initialize(nnc.init.Xavier())
        self.trainer = gluon.Trainer(self.net.collect_params(), "adam", {"learning_rate": 2e-3})
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        self.step = nnc.compile_step(self.net, loss, self.trainer)

    def parameters(self) -> list[Array]:
        return [parameter.data().asnumpy() for parameter in self.net.collect_params().values()]

    def epoch(self, stop: int | None = None) -> None:
        """Train on what is left of the epoch, or until `stop` more batches were seen."""
        begin, seen, loss = time.perf_counter(), 0, None
        for data, label in self.loader:
            loss = self.step(data, label)
            seen += 1
            if seen == stop:
                break
        seconds = time.perf_counter() - begin
        mean = "" if loss is None else f", loss {float(loss.mean()):.3f}"
        print(f"  {seen} batches in {seconds:.1f} s{mean}")


def main(images: str | None = None, epochs: int = 4) -> bool:
    """Trains, stops, goes on; returns whether the parameters are those of a training in one go."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays, labels = pictures(images)
        write_shards(folder, arrays, labels)
        nnc.random.seed(0)
        first = Training(folder, arrays.shape[1])
        print("one training:")
        for _ in range(epochs - 1):
            first.epoch()
        first.epoch(stop=len(first.loader) // 2)
        checkpoint.save(folder / "half", first.net, first.trainer, first.loader)
        first.loader.load_state_dict(first.loader.state_dict())  # Go on after the break.
        first.epoch()

        print("another one, from the middle of the last epoch:")
        second = Training(folder, arrays.shape[1])
        second.net(nnc.nd.zeros((1, *arrays.shape[1:], 3), dtype="uint8"))  # Gives it its shapes.
        checkpoint.load(folder / "half", second.net, second.trainer, second.loader)
        second.epoch()
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    same = all(np.array_equal(one, other) for one, other in pairs)
    print(f"the parameters are {'the same' if same else 'others'}")
    return same


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", help="the folder of Fashion-MNIST's files")
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    main(options.images, options.epochs)
