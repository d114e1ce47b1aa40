"""Predict how often people see a doctor: a regression on a table of RAND's health experiment.

    python examples/tabular.py

The data comes with statsmodels (`pip install nnc[examples]`). Prints R², the share of the
variance that is explained, of least squares and of a network, on rows that neither has seen; a
picture of the training lands in demo/. Nine columns tell little of a person's visits in a year:
0.11 is what a linear model finds, and a network finds a little more.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import statsmodels.api as statistics

import nnc
from nnc import gluon, nd
from nnc.gluon import nn
from nnc.gluon.contrib.estimator import EarlyStoppingHandler, Estimator, PlotHandler

Array = np.ndarray[Any, np.dtype[Any]]
BATCH = 256


def table() -> tuple[Array, Array]:
    """The columns, each with mean 0 and deviation 1, and the logarithm of 1 + visits."""
    data: Any = statistics.datasets.randhie.load_pandas().data
    columns = data.drop(columns="mdvis").to_numpy(np.float32)
    visits = data["mdvis"].to_numpy(np.float32)
    return (columns - columns.mean(0)) / columns.std(0), np.log1p(visits)[:, None]


def split(count: int) -> tuple[Array, Array]:
    """Rows to train on and rows to test on: in blocks, as a person's years stand together."""
    block = np.arange(count) // 100
    return np.flatnonzero(block % 5 != 4), np.flatnonzero(block % 5 == 4)


def explained(y: Array, predicted: Array) -> float:
    """R²: 1 where the prediction is perfect, 0 where it is no better than the mean."""
    return float(1 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2))


def least_squares(x: Array, y: Array, x_test: Array) -> Array:
    """What a linear model predicts."""
    weights = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)[0]
    return np.c_[x_test, np.ones(len(x_test))] @ weights


def loader(x: Array, y: Array, **options: Any) -> gluon.data.DataLoader:
    return gluon.data.DataLoader(gluon.data.ArrayDataset(x, y), BATCH, **options)


def main(epochs: int = 20, out: Path = Path("demo")) -> tuple[float, float]:
    """Trains; returns R² of least squares and of the network."""
    out.mkdir(parents=True, exist_ok=True)
    x, y = table()
    rows, tested = split(len(x))
    nnc.random.seed(0)
    net = nn.HybridSequential(nn.Dense(64, "relu"), nn.Dropout(0.1))
    net.add(nn.Dense(64, "relu"), nn.Dropout(0.1), nn.Dense(1))
    net.initialize(nnc.init.Xavier())
    net(nd.array(x[:1]))
    steps = epochs * (len(rows) // BATCH)
    rate = nnc.lr_scheduler.CosineScheduler(steps, base_lr=1e-3)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"lr_scheduler": rate, "wd": 1e-3})
    estimator = Estimator(net, gluon.loss.L2Loss(), trainer=trainer)
    estimator.fit(
        loader(x[rows], y[rows], shuffle=True, last_batch="discard"),
        loader(x[tested], y[tested]),
        epochs=epochs,
        event_handlers=[
            EarlyStoppingHandler(estimator.val_metrics[0], patience=8),
            PlotHandler(out / "tabular.png"),
        ],
    )
    linear = explained(y[tested], least_squares(x[rows], y[rows], x[tested]))
    network = explained(y[tested], net(nd.array(x[tested])).asnumpy())
    print(f"R² of least squares {linear:.3f}, of the network {network:.3f}")
    return linear, network


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Predict how often people see a doctor.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    arguments = parser.parse_args()
    main(arguments.epochs, arguments.out)
