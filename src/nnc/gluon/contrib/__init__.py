"""What MXNet keeps in `gluon.contrib`: the estimator, and more layers, cells and samplers."""

from nnc.gluon.contrib import data, estimator, nn, rnn

__all__ = ["data", "estimator", "nn", "rnn"]
