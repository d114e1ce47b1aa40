"""Teach a network that knows five digits five others, from a few images of each.

    python examples/fine_tuning.py

A network learns the digits 0 to 4, and its parameters are saved. Another one starts from the
file: what recognizes shapes stays as it is, and only a new last layer learns 5 to 9, from eight
images of each. Prints how many numbers that learns, how many steps it makes in a second, and how
often it is right, beside a network that learns everything from those images. The frozen one is
nearly as good, and its steps need no gradients of what is frozen: the compiler leaves them out.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import nnc
from nnc import gluon, nd
from nnc.gluon import nn

Array = np.ndarray[Any, np.dtype[Any]]
Digits = tuple[Array, Array, Array, Array]
"""Images (N, 1, 8, 8) and labels from 0 to train on, and others to test on."""
CLASSES, FEW, BATCH, TESTED = 5, 8, 40, 290


def digits(classes: range) -> Digits:
    """Of scikit-learn's digits those of some classes; every third is to test on."""
    source: Any = load_digits()
    wanted = np.isin(source.target, classes)
    images = (source.data[wanted] / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = (source.target[wanted] - classes[0]).astype(np.int32)
    tested = np.arange(len(images)) % 3 == 0
    return images[~tested], labels[~tested], images[tested][:TESTED], labels[tested][:TESTED]


def few_of_each(labels: Array) -> Array:
    """The places of the first images of each class."""
    return np.concatenate([np.flatnonzero(labels == c)[:FEW] for c in range(CLASSES)])


def network() -> nn.HybridSequential:
    """A trunk that makes features of an image, and a head that makes scores of them."""
    trunk = nn.HybridSequential(
        nn.Conv2D(16, 3, padding=1, activation="relu"),
        nn.MaxPool2D(2),
        nn.Conv2D(32, 3, padding=1, activation="relu"),
        nn.Flatten(),
    )
    net = nn.HybridSequential(trunk, nn.Dense(CLASSES))
    net.initialize(nnc.init.Xavier())
    net(nd.zeros((1, 1, 8, 8)))
    return net


@dataclass
class Result:
    """How a training went."""

    numbers: int
    """Parameters that were learned."""
    rate: float
    """Steps in a second."""
    accuracy: float
    """On images that were not seen."""


def train(net: nn.HybridSequential, data: Digits, epochs: int) -> Result:
    """Updates the parameters that are not frozen."""
    x, y, x_test, y_test = data
    learning = [p for p in net.collect_params().values() if p.grad_req != "null"]
    trainer = gluon.Trainer(learning, "adam", {"learning_rate": 3e-3})
    loader = gluon.data.DataLoader(
        gluon.data.ArrayDataset(x, y), BATCH, shuffle=True, last_batch="discard"
    )
    step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
    step(x[:BATCH], y[:BATCH])
    begin = time.perf_counter()
    for _ in range(epochs):
        for images, labels in loader:
            step(images, labels)
    rate = epochs * len(loader) / (time.perf_counter() - begin)
    right = net(nd.array(x_test)).asnumpy().argmax(axis=1) == y_test
    return Result(sum(p.data().size for p in learning), rate, float(np.mean(right)))


def tuned(file: Path) -> nn.HybridSequential:
    """A network with the saved trunk, which is frozen, and a new head."""
    net = network()
    trunk, head = net[0], net[1]
    net.load_parameters(str(file))
    trunk.setattr("grad_req", "null")
    head.initialize(nnc.init.Xavier(), force_reinit=True)
    return net


def main(epochs: int = 10) -> dict[str, Result]:
    """Trains three networks."""
    nnc.random.seed(0)
    first, found = network(), dict[str, Result]()
    found["0 to 4, all images"] = train(first, digits(range(CLASSES)), epochs)
    x, y, x_test, y_test = digits(range(CLASSES, 2 * CLASSES))
    few = few_of_each(y)
    some = x[few], y[few], x_test, y_test
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "digits.safetensors"
        first.save_parameters(str(file))
        found["5 to 9, the last layer"] = train(tuned(file), some, 10 * epochs)
    found["5 to 9, everything"] = train(network(), some, 10 * epochs)
    print(f"{'':24}{'numbers':>8}{'steps/s':>9}{'accuracy':>10}")
    for name, result in found.items():
        print(f"{name:24}{result.numbers:8}{result.rate:9.0f}{result.accuracy:10.3f}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Teach a network five more digits.")
    parser.add_argument("--epochs", type=int, default=10)
    main(parser.parse_args().epochs)
