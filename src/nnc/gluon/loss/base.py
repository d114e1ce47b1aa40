"""What losses share."""

import numpy as np

from nnc.arrays.array import NDArray, as_array
from nnc.errors import ShapeError
from nnc.gluon.block import HybridBlock, check_array


def apply_weighting(
    F: object, loss: NDArray, weight: float | None = None, sample_weight: NDArray | None = None
) -> NDArray:
    """The loss with samples weighted by broadcasting, then as a whole, as in MXNet's own losses."""
    if sample_weight is not None:
        loss = loss * sample_weight
    return loss if weight in (None, 1) else loss * weight


def reshape_like(F: object, x: NDArray, y: NDArray) -> NDArray:
    """`x` in the shape of `y`."""
    return x.reshape(y.shape)


class Loss(HybridBlock):
    """Base of losses. `weight` scales every sample, `sample_weight` each by broadcasting."""

    def __init__(self, weight: float | None, batch_axis: int):
        super().__init__()
        self._weight = weight
        self._batch_axis = batch_axis

    def weighted(self, loss: NDArray, sample_weight: NDArray | None, lost: int = -1) -> NDArray:
        if sample_weight is not None:
            sample_weight = weights_like(type(self).__name__, sample_weight, loss, lost)
        return apply_weighting(None, loss, self._weight, sample_weight)

    def per_sample(self, loss: NDArray, sample_weight: NDArray | None, lost: int = -1) -> NDArray:
        """Weighted, then the mean over all axes but the batch's. `lost` is gone from the loss."""
        loss = self.weighted(loss, sample_weight, lost)
        rank = len(loss.shape)
        if rank == 1:
            return loss
        axes = tuple(a for a in range(rank) if a != self._batch_axis % rank)
        return loss.mean(axes)

    def describe(self) -> str:
        return f"batch_axis={self._batch_axis}, w={self._weight}"


def weights_like(name: str, weights: NDArray, loss: NDArray, lost: int) -> NDArray:
    """Weights that broadcast to the loss; they may still have the axis that it has lost."""
    shape = list(np.shape(weights))
    if len(shape) == loss.ndim + 1 and shape[lost] == 1:
        shape.pop(lost)
        weights = as_array(weights).reshape(tuple(shape))
    if len(shape) > loss.ndim or any(
        a not in (1, b) for a, b in zip(reversed(shape), reversed(loss.shape), strict=False)
    ):
        raise ShapeError(
            f"{name}: expected a sample_weight that broadcasts to shape {loss.shape}, "
            f"given {tuple(shape)}"
        )
    return weights


def labels_like(name: str, label: object, prediction: NDArray) -> NDArray:
    """The label in the shape and dtype of the prediction."""
    check_array(name, prediction)
    target = as_array(label)
    if target.size != prediction.size:
        raise ShapeError(
            f"{name}: expected a label of shape {prediction.shape}, given {target.shape}"
        )
    if target.dtype != prediction.dtype:
        target = target.astype(prediction.dtype)
    return target if target.shape == prediction.shape else target.reshape(prediction.shape)
