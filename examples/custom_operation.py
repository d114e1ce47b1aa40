"""Learn digits from labels of which many are wrong, with a loss of one's own.

    python examples/custom_operation.py

Of the labels 40 % are replaced by random ones. Cross-entropy learns them all by heart in the end;
the loss below, (1 - p^q) / q of the label's probability p, gives up on samples that it cannot
believe. It is a Python function on arrays: its gradient, the C and the place of it in the
compiled step come by themselves. Prints the check of its gradient and the accuracies on right
labels; a picture of how they develop lands in demo/.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from sklearn.datasets import load_digits

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import nnc
from nnc import autograd, gluon, metric, nd
from nnc.gluon import nn
from nnc.gluon.contrib.estimator import Estimator, LoggingHandler, RecordHandler

Array = np.ndarray[Any, np.dtype[Any]]
Loss = Callable[[nd.NDArray, nd.NDArray], nd.NDArray]
BATCH, WRONG = 64, 0.4


@nnc.custom_op
def truncated_loss(scores: nd.NDArray, labels: nd.NDArray, q: float = 0.7) -> nd.NDArray:
    """`(1 - p^q) / q`: cross-entropy for q near 0, the share of mistakes for q = 1."""
    log_p = nd.pick(nd.log_softmax(scores), labels)
    return (1 - nd.exp(q * log_p)) / q


def gradient_error() -> float:
    """How far the gradient is from finite differences in float64, relatively."""
    scores = nd.array(np.random.default_rng(0).normal(size=(4, 3)))
    labels = nd.array([0, 2, 1, 1], dtype="int32")
    return autograd.check_gradient(truncated_loss, [scores, labels])


def digits(seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """Images and partly wrong labels to train on, and every fourth image with its right label."""
    source: Any = load_digits()
    images, labels = (source.data / 16).astype(np.float32), source.target.astype(np.int32)
    random = np.random.default_rng(seed)
    tested = np.arange(len(images)) % 4 == 0
    noisy = labels[~tested]
    wrong = random.random(len(noisy)) < WRONG
    noisy = np.where(wrong, random.integers(0, 10, len(noisy)), noisy).astype(np.int32)
    return images[~tested], noisy, images[tested], labels[tested]


def loader(x: Array, y: Array, **options: Any) -> gluon.data.DataLoader:
    return gluon.data.DataLoader(gluon.data.ArrayDataset(x, y), BATCH, **options)


def train(loss: Loss, epochs: int) -> list[float]:
    """The accuracy on right labels after each epoch of a training on wrong ones."""
    x, y, x_test, y_test = digits()
    nnc.random.seed(0)
    net = nn.HybridSequential(nn.Dense(256, "relu"), nn.Dense(256, "relu"), nn.Dense(10))
    net.initialize(nnc.init.Xavier())
    net(nd.array(x[:1]))
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 2e-3})
    estimator = Estimator(net, loss, metric.Accuracy(), trainer=trainer)
    kept = RecordHandler()
    estimator.fit(
        loader(x, y, shuffle=True, last_batch="discard"),
        loader(x_test, y_test),
        epochs=epochs,
        event_handlers=[kept, LoggingHandler(metrics=[])],
    )
    return [record["validation accuracy"] for record in kept.records]


def draw(curves: dict[str, list[float]], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, values in curves.items():
        axes.plot(range(1, len(values) + 1), values, label=name, linewidth=2)
    axes.set(xlabel="epoch", ylabel="accuracy on right labels", ylim=(0, 1))
    axes.set_title(f"digits, {WRONG:.0%} of the labels are wrong")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main(epochs: int = 40, out: Path = Path("demo")) -> dict[str, list[float]]:
    out.mkdir(parents=True, exist_ok=True)
    print(f"gradient: relative error {gradient_error():.1e}")
    curves = {
        "cross-entropy": train(gluon.loss.SoftmaxCrossEntropyLoss(), epochs),
        "truncated loss": train(truncated_loss, epochs),
    }
    draw(curves, out / "custom_operation.png")
    for name, values in curves.items():
        print(f"{name:15} accuracy at last {values[-1]:.3f}, at best {max(values):.3f}")
    return curves


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Learn digits from labels that are often wrong.")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    arguments = parser.parse_args()
    main(arguments.epochs, arguments.out)
