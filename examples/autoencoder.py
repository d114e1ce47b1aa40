"""Press images of digits into a few numbers, and draw them again.

    python examples/autoencoder.py

Each of scikit-learn's digits, 8 x 8 pixels, becomes 6 numbers, by a network and by as many
principal components. Prints how much of the variance comes back on images that neither has seen;
the images and the curves of the training land in demo/.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import nnc
from nnc import gluon, nd
from nnc.gluon import nn
from nnc.gluon.contrib.estimator import Estimator, PlotHandler

Array = np.ndarray[Any, np.dtype[Any]]
SIDE, CODE, BATCH = 8, 6, 64


def digits() -> tuple[Array, Array]:
    """Images (N, 64) from 0 to 1: to train on, and every fifth, to test on."""
    source: Any = load_digits()
    images = (source.data / 16).astype(np.float32)
    tested = np.arange(len(images)) % 5 == 0
    return images[~tested], images[tested]


class Autoencoder(nn.HybridBlock):
    """`encode` gives the few numbers of an image, `decode` the image again."""

    def __init__(self, width: int = 256):
        super().__init__()
        self.encode = nn.HybridSequential(nn.Dense(width, "relu"), nn.Dense(CODE))
        self.decode = nn.HybridSequential(nn.Dense(width, "relu"), nn.Dense(SIDE * SIDE, "sigmoid"))

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        return self.decode(self.encode(x))


def kept(x: Array, again: Array) -> float:
    """The share of the variance that comes back."""
    return float(1 - np.mean((x - again) ** 2) / np.mean((x - x.mean(axis=0)) ** 2))


def draw(rows: dict[str, Array], path: Path, count: int = 12) -> None:
    """The first images of each kind, one kind in a row."""
    figure, axes = plt.subplots(len(rows), count, figsize=(count, 1.15 * len(rows)))
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(name, fontsize=8)
        for field, image in zip(line, images, strict=False):
            field.imshow(image.reshape(SIDE, SIDE), cmap="gray_r", vmin=0, vmax=1)
            field.set(xticks=[], yticks=[])
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main(epochs: int = 40, out: Path = Path("demo")) -> tuple[float, float]:
    """Trains; returns what principal components and the network keep."""
    out.mkdir(parents=True, exist_ok=True)
    seen, unseen = digits()
    nnc.random.seed(0)
    net = Autoencoder()
    net.initialize(nnc.init.Xavier())
    net(nd.array(seen[:1]))
    steps = epochs * (len(seen) // BATCH)
    rate = nnc.lr_scheduler.CosineScheduler(steps, base_lr=2e-3)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"lr_scheduler": rate})
    dataset = gluon.data.ArrayDataset(seen, seen)
    loader = gluon.data.DataLoader(dataset, BATCH, shuffle=True, last_batch="discard")
    estimator = Estimator(net, gluon.loss.L2Loss(), trainer=trainer)
    curves = PlotHandler(out / "autoencoder_curves.png")
    estimator.fit(loader, [(unseen, unseen)], epochs=epochs, event_handlers=curves)
    components = PCA(CODE).fit(seen)
    linear = components.inverse_transform(components.transform(unseen)).astype(np.float32)
    drawn = net(nd.array(unseen)).asnumpy()
    rows = {"image": unseen, f"PCA, {CODE}": linear, f"network, {CODE}": drawn}
    draw(rows, out / "autoencoder.png")
    shares = kept(unseen, linear), kept(unseen, drawn)
    print("of the variance, principal components keep {:.3f}, the network {:.3f}".format(*shares))
    return shares


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Press images of digits into a few numbers.")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    arguments = parser.parse_args()
    main(arguments.epochs, arguments.out)
