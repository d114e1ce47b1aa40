"""The losses of regression and of classes."""

import warnings

from nnc.arrays.array import NDArray, as_array
from nnc.checks import axis_of
from nnc.errors import ShapeError
from nnc.gluon.block import check_array
from nnc.gluon.loss.base import Loss, labels_like
from nnc.operators import core as ops
from nnc.operators import layer as layers
from nnc.recording.graph import Operation
from nnc.recording.recorder import record


class L2Loss(Loss):
    """`weight / 2 * (pred - label)²`."""

    def __init__(self, weight: float | None = 1.0, batch_axis: int = 0):
        super().__init__(weight, batch_axis)

    def forward(
        self, pred: NDArray, label: NDArray, sample_weight: NDArray | None = None
    ) -> NDArray:
        error = pred - labels_like("L2Loss", label, pred)
        return self.per_sample(error.apply(ops.half_square), sample_weight)


class L1Loss(Loss):
    """`weight * |pred - label|`, with gradient 0 where they are equal."""

    def __init__(self, weight: float | None = None, batch_axis: int = 0):
        super().__init__(weight, batch_axis)

    def forward(
        self, pred: NDArray, label: NDArray, sample_weight: NDArray | None = None
    ) -> NDArray:
        return self.per_sample((pred - labels_like("L1Loss", label, pred)).abs(), sample_weight)


class SigmoidBinaryCrossEntropyLoss(Loss):
    """`max(x, 0) - x z + log(1 + exp(-|x|))` of a logit x and a label z in [0, 1].

    With `from_sigmoid` the prediction is a probability p: `-(z log(p + 1e-12) + …)`. `pos_weight`
    scales the term of positive labels.
    """

    def __init__(
        self, from_sigmoid: bool = False, weight: float | None = None, batch_axis: int = 0
    ):
        super().__init__(weight, batch_axis)
        self._operation = (
            layers.binary_cross_entropy if from_sigmoid else layers.logit_cross_entropy
        )

    def forward(
        self,
        pred: NDArray,
        label: NDArray,
        sample_weight: NDArray | None = None,
        pos_weight: NDArray | None = None,
    ) -> NDArray:
        inputs = [pred, labels_like("SigmoidBinaryCrossEntropyLoss", label, pred)]
        if pos_weight is not None:
            inputs.append(as_array(pos_weight))
        loss = record(self._operation, [x.current for x in inputs])[0]
        return self.per_sample(NDArray(loss), sample_weight)


SigmoidBCELoss = SigmoidBinaryCrossEntropyLoss


class SoftmaxCrossEntropyLoss(Loss):
    """`-log_softmax(pred)[label]` along `axis`, which disappears.

    Without `sparse_label` the label is a distribution over the classes. With `from_logits` the
    prediction is already a log-probability (the opposite of TensorFlow's meaning).
    """

    def __init__(
        self,
        axis: int = -1,
        sparse_label: bool = True,
        from_logits: bool = False,
        weight: float | None = None,
        batch_axis: int = 0,
    ):
        super().__init__(weight, batch_axis)
        self._axis = axis
        self._sparse = sparse_label
        self._from_logits = from_logits

    def forward(
        self, pred: NDArray, label: NDArray, sample_weight: NDArray | None = None
    ) -> NDArray:
        value = check_array("SoftmaxCrossEntropyLoss", pred).current
        self.warn_of_softmax(value.node.operation if value.node else None)
        if self._sparse:
            inputs = [value, class_labels(label, pred, self._axis).current]
        else:
            inputs = [value, labels_like("SoftmaxCrossEntropyLoss", label, pred).current]
        settings = (self._axis, self._from_logits)
        operation = layers.cross_entropy if self._sparse else layers.soft_cross_entropy
        loss = NDArray(record(operation, inputs, settings)[0])
        return self.per_sample(loss, sample_weight, self._axis)

    def warn_of_softmax(self, operation: Operation | None) -> None:
        """A softmax before this loss is nearly always a mistake."""
        if operation is layers.softmax:
            advice = (
                "from_logits=True expects log_softmax, not softmax"
                if self._from_logits
                else "remove the softmax activation (or use log_softmax and from_logits=True)"
            )
            warnings.warn(
                "SoftmaxCrossEntropyLoss applies log_softmax itself, and its input is a softmax "
                f"already, so softmax would be applied twice; {advice}",
                stacklevel=4,
            )


SoftmaxCELoss = SoftmaxCrossEntropyLoss


def class_labels(label: object, prediction: NDArray, axis: int) -> NDArray:
    """Sparse labels as integers, in the shape of the prediction without its class axis."""
    target = as_array(label)
    place = axis_of("SoftmaxCrossEntropyLoss", axis, prediction.ndim)
    shape = list(prediction.shape)
    classes = shape.pop(place)
    expected = tuple(shape)
    if target.shape not in (expected, (*expected[:place], 1)):
        hint = "; for labels of that shape pass sparse_label=False" * (
            target.shape == prediction.shape
        )
        raise ShapeError(
            f"SoftmaxCrossEntropyLoss: expected labels of shape {expected} (one of {classes} "
            f"classes each), given {target.shape}{hint}"
        )
    if target.current.type.dtype not in ("int32", "int64"):
        target = target.astype("int32")
    return target if target.shape == expected else target.reshape(expected)
