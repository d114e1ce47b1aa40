"""Train Gluon's MNIST network on Fashion-MNIST.

    apt install dataset-fashion-mnist
    python examples/fashion_mnist.py /usr/share/datasets/fashion-mnist

The folder holds the four idx files, gzipped or not.
"""

import argparse
import time
from typing import Any

import numpy as np
from rich.progress import track

import nnc
from nnc import gluon
from nnc.gluon import nn
from nnc.gluon.data.vision import FashionMNIST, transforms

BATCH = 64


def network() -> nn.HybridSequential:
    """The network of Gluon's MNIST example, behind what makes numbers from -1 to 1 of bytes."""
    return nn.HybridSequential(
        transforms.HybridCompose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]),
        nn.Conv2D(20, kernel_size=5, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Conv2D(50, kernel_size=5, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Flatten(),
        nn.Dense(500, activation="relu"),
        nn.Dense(10),
    )


def accuracy(net: Any, dataset: FashionMNIST) -> float:
    predict = nnc.compile(net)
    loader = gluon.data.DataLoader(dataset, 500)
    right = [(predict(data).argmax(1).asnumpy() == label.asnumpy()).sum() for data, label in loader]
    return float(np.sum(right)) / len(dataset)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", help="where the idx files are")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()

    train, test = (FashionMNIST(options.folder, train=train) for train in (True, False))
    nnc.random.seed(0)
    net = network()
    net.initialize(nnc.init.Xavier())
    steps = options.epochs * (len(train) // BATCH)
    schedule = nnc.lr_scheduler.CosineScheduler(max_update=steps, base_lr=0.05)
    optimizer = nnc.optimizer.SGD(lr_scheduler=schedule, learning_rate=0.05, momentum=0.9)
    trainer = gluon.Trainer(net.collect_params(), optimizer)
    step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
    loader = gluon.data.DataLoader(train, BATCH, shuffle=True, last_batch="discard")
    for epoch in range(options.epochs):
        begin, total = time.perf_counter(), 0.0
        for data, label in track(loader, f"epoch {epoch + 1}"):
            total += float(step(data, label).asnumpy().mean())
        seconds = time.perf_counter() - begin
        print(
            f"epoch {epoch + 1}: loss {total / len(loader):.4f}, "
            f"test accuracy {accuracy(net, test):.4f}, {seconds:.0f} s"
        )


if __name__ == "__main__":
    main()
