"""A training so small that many can be run, for tests of estimators."""

from typing import Any

import numpy as np

import nnc
from nnc import gluon
from nnc.gluon import nn
from nnc.gluon.contrib import estimator as est
from nnc.gluon.contrib.estimator import Estimator

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(12, 4)).astype(np.float32)
Y = RANDOM.integers(0, 3, 12).astype(np.int32)
TRAIN = gluon.data.DataLoader(gluon.data.ArrayDataset(X, Y), 4)
VALIDATE = gluon.data.DataLoader(gluon.data.ArrayDataset(X[:8], Y[:8]), 4)
NO_METRIC: Any = "loss"
CROSS_ENTROPY = gluon.loss.SoftmaxCrossEntropyLoss()


def network() -> Any:
    nnc.random.seed(0)
    net = nn.HybridSequential(nn.Dense(5, "relu", in_units=4), nn.Dense(3, in_units=5))
    net.initialize(nnc.init.Xavier())
    return net


def trainer_of(net: Any, **options: Any) -> gluon.Trainer:
    return gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, **options})


def estimator(compiled: bool = True, **options: Any) -> Estimator:
    net = network()
    options.setdefault("trainer", trainer_of(net))
    processor = est.BatchProcessor(compiled)
    return Estimator(net, CROSS_ENTROPY, batch_processor=processor, **options)


def values(net: Any) -> list[Any]:
    return [p.data().asnumpy() for p in net.collect_params().values()]


def quiet(*handlers: est.EventHandler) -> list[est.EventHandler]:
    """The handlers, and one that keeps the default from printing."""
    return [*handlers, est.LoggingHandler(metrics=[])]
