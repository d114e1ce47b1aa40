"""What MXNet keeps in `gluon.contrib`: the estimator."""

from nnc.gluon.contrib import estimator

__all__ = ["estimator"]
