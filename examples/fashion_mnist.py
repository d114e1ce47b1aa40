"""Train Gluon's MNIST network on Fashion-MNIST.

    apt install dataset-fashion-mnist
    python examples/fashion_mnist.py /usr/share/datasets/fashion-mnist

The folder holds the four idx files, gzipped or not.
"""

import argparse
import gzip
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

import nnc
from nnc import gluon, nd
from nnc.gluon import nn

Array = np.ndarray[Any, np.dtype[Any]]
BATCH = 64


def read_idx(folder: Path, name: str) -> Array:
    """An idx file of bytes: two zeros, the type 8, the rank, big-endian sizes, the data."""
    found = [path for path in (folder / name, folder / f"{name}.gz") if path.exists()]
    if not found:
        sys.exit(
            f"error: {folder} has no {name}.gz; give the folder of Fashion-MNIST's idx files "
            "(on Debian: apt install dataset-fashion-mnist)"
        )
    data = found[0].read_bytes()
    if found[0].suffix == ".gz":
        data = gzip.decompress(data)
    rank = data[3] if data[:3] == b"\x00\x00\x08" else sys.exit(f"error: {found[0]} is no idx file")
    sizes = np.frombuffer(data, ">u4", rank, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(sizes)


def images(folder: Path, name: str) -> Array:
    """Images (N, 1, 28, 28), from -1 to 1."""
    return (read_idx(folder, name)[:, None] / np.float32(127.5) - 1).astype(np.float32)


def network() -> nn.HybridSequential:
    """The network of Gluon's MNIST example."""
    return nn.HybridSequential(
        nn.Conv2D(20, kernel_size=5, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Conv2D(50, kernel_size=5, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Flatten(),
        nn.Dense(500, activation="relu"),
        nn.Dense(10),
    )


def accuracy(net: Any, x: Array, y: Array, batch: int = 500) -> float:
    predict = nnc.compile(net)
    parts = range(0, len(x), batch)
    right = [
        (predict(nd.array(x[i : i + batch])).argmax(1).asnumpy() == y[i : i + batch]).sum()
        for i in parts
    ]
    return float(sum(right)) / len(x)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the idx files are")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()

    x, y = (
        images(options.folder, "train-images-idx3-ubyte"),
        read_idx(options.folder, "train-labels-idx1-ubyte"),
    )
    x_test = images(options.folder, "t10k-images-idx3-ubyte")
    y_test = read_idx(options.folder, "t10k-labels-idx1-ubyte")

    nnc.random.seed(0)
    net = network()
    net.initialize(nnc.init.Xavier())
    steps = options.epochs * (len(x) // BATCH)
    schedule = nnc.lr_scheduler.CosineScheduler(max_update=steps, base_lr=0.05)
    optimizer = nnc.optimizer.SGD(lr_scheduler=schedule, learning_rate=0.05, momentum=0.9)
    trainer = gluon.Trainer(net.collect_params(), optimizer)
    step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
    dataset = gluon.data.ArrayDataset(x, y.astype(np.int32))
    loader = gluon.data.DataLoader(dataset, BATCH, shuffle=True, last_batch="discard")
    for epoch in range(options.epochs):
        begin, total = time.perf_counter(), 0.0
        for data, label in track(loader, f"epoch {epoch + 1}"):
            total += float(step(data, label).asnumpy().mean())
        seconds = time.perf_counter() - begin
        print(
            f"epoch {epoch + 1}: loss {total / len(loader):.4f}, "
            f"test accuracy {accuracy(net, x_test, y_test):.4f}, {seconds:.0f} s"
        )


if __name__ == "__main__":
    main()
