"""Layers."""

import math
from collections.abc import Callable
from typing import Any

from nnc import layer_operators as layers
from nnc import nd
from nnc import operators as ops
from nnc.array import NDArray
from nnc.errors import DtypeError, OptionError, ShapeError
from nnc.gluon.block import Block, HybridBlock, HybridSequential, Sequential
from nnc.gluon.parameter import Parameter
from nnc.graph import Operation
from nnc.init import Initializer
from nnc.lowering.pass_specs import did_you_mean
from nnc.random import generator
from nnc.recorder import record, recorder

__all__ = [
    "Activation",
    "AvgPool2D",
    "BatchNorm",
    "Block",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "HybridBlock",
    "HybridLambda",
    "HybridSequential",
    "Lambda",
    "MaxPool2D",
    "Sequential",
]

Source = Initializer | str | None
Pair = int | tuple[int, int]

ACTIVATIONS: dict[str, tuple[Operation, tuple[Any, ...]]] = {
    "relu": (ops.relu, ()),
    "sigmoid": (ops.sigmoid, ()),
    "tanh": (ops.tanh, ()),
    "softrelu": (ops.softrelu, ()),
    "softsign": (ops.softsign, ()),
    "softmax": (layers.softmax, (-1,)),
}
"""Gluon's, and softmax over the last axis as an extension."""


def activation_named(name: str) -> tuple[Operation, tuple[Any, ...]]:
    if name not in ACTIVATIONS:
        raise OptionError(f"no activation '{name}'; {did_you_mean(name, ACTIVATIONS)}")
    return ACTIVATIONS[name]


def pair(value: Pair) -> tuple[int, int]:
    """A size for both spatial axes."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def check_layout(layout: str) -> None:
    if layout != "NCHW":
        raise OptionError(f"layout is 'NCHW', given '{layout}'; memory is laid out by the compiler")


class Activation(HybridBlock):
    """An elementwise function by name: relu, sigmoid, tanh, softrelu, softsign; or softmax."""

    def __init__(self, activation: str):
        super().__init__()
        self._name = activation
        self._operation, self._attributes = activation_named(activation)

    def forward(self, x: NDArray) -> NDArray:
        return x.apply(self._operation, *self._attributes)

    def describe(self) -> str:
        return self._name


class Affine(HybridBlock):
    """A linear map with a weight, a bias if wanted, and an activation."""

    def __init__(
        self,
        weight: tuple[int, ...],
        activation: str | None,
        use_bias: bool,
        dtype: str,
        weight_initializer: Source,
        bias_initializer: Source,
    ):
        super().__init__()
        self._activation = None if activation is None else activation_named(activation)
        self.weight = Parameter(
            "weight", shape=weight, dtype=dtype, init=weight_initializer, allow_deferred_init=True
        )
        self.bias: Parameter | None = None
        if use_bias:
            self.bias = Parameter("bias", shape=weight[:1], dtype=dtype, init=bias_initializer)

    def affine(self, operation: Operation, x: NDArray, *attributes: Any) -> NDArray:
        """The operation on `x`, weight and bias, then the activation."""
        value = x.current
        inputs = [value, self.weight.variable.current]
        if value.type.dtype != inputs[1].type.dtype:
            self.refuse_dtype(x)
        if self.bias is not None:
            inputs.append(self.bias.variable.current)
        [value] = record(operation, inputs, attributes)
        if self._activation is not None:
            [value] = record(self._activation[0], [value], self._activation[1])
        return NDArray(value)

    def refuse_dtype(self, x: NDArray) -> None:
        raise DtypeError(
            f"{type(self).__name__}: the input is {x.dtype}, parameter '{self.weight.name}' is "
            f"{self.weight.dtype}; convert one: x.astype('{self.weight.dtype}') or "
            f"net.cast('{x.dtype}')"
        )


class Dense(Affine):
    """`activation(x weight^T + bias)`, weight (units, in_units).

    With `flatten` all axes but the first are one; otherwise the leading axes are kept.
    """

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        flatten: bool = True,
        dtype: str = "float32",
        weight_initializer: Source = None,
        bias_initializer: Source = "zeros",
        in_units: int = 0,
    ):
        shape = (units, in_units)
        super().__init__(shape, activation, use_bias, dtype, weight_initializer, bias_initializer)
        self.weight.layout = (1, 0)
        self._units = units
        self._flatten = flatten

    def infer_shape(self, x: NDArray) -> None:
        shape = x.shape
        if len(shape) < 2:
            raise ShapeError(f"Dense: expected a batch, shape (N, …), given shape {shape}")
        width = math.prod(shape[1:]) if self._flatten else shape[-1]
        self.weight.finish((self._units, width))

    def forward(self, x: NDArray) -> NDArray:
        return self.affine(layers.dense, x, self._flatten)

    def describe(self) -> str:
        return f"{(self.weight.shape or (0, 0))[1] or None} -> {self._units}"


class Conv2D(Affine):
    """Convolution of NCHW images, weight (channels, in_channels / groups, kh, kw)."""

    def __init__(
        self,
        channels: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
        groups: int = 1,
        layout: str = "NCHW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Source = None,
        bias_initializer: Source = "zeros",
        in_channels: int = 0,
    ):
        check_layout(layout)
        self._kernel = pair(kernel_size)
        shape = (channels, in_channels // groups, *self._kernel)
        super().__init__(
            shape, activation, use_bias, "float32", weight_initializer, bias_initializer
        )
        self._channels = channels
        self._geometry = (pair(strides), pair(padding), pair(dilation), groups)

    def infer_shape(self, x: NDArray) -> None:
        shape, groups = x.shape, self._geometry[3]
        if len(shape) != 4:
            raise ShapeError(f"Conv2D: expected images (N, C, H, W), given shape {shape}")
        if shape[1] % groups:
            raise ShapeError(f"Conv2D: {shape[1]} channels cannot be divided into {groups} groups")
        self.weight.finish((self._channels, shape[1] // groups, *self._kernel))

    def forward(self, x: NDArray) -> NDArray:
        return self.affine(layers.convolution2d, x, *self._geometry)

    def describe(self) -> str:
        strides, padding, *_ = self._geometry
        return f"{self._channels}, kernel={self._kernel}, strides={strides}, padding={padding}"


class Pool2D(HybridBlock):
    """A window over NCHW images."""

    operation: Operation

    def __init__(
        self, pool_size: Pair, strides: Pair | None, padding: Pair, layout: str, ceil_mode: bool
    ):
        super().__init__()
        check_layout(layout)
        self._size = pair(pool_size)
        self._strides = self._size if strides is None else pair(strides)
        self._attributes: tuple[Any, ...] = (self._size, self._strides, pair(padding), ceil_mode)

    def forward(self, x: NDArray) -> NDArray:
        return x.apply(self.operation, *self._attributes)

    def describe(self) -> str:
        return f"size={self._size}, strides={self._strides}"


class MaxPool2D(Pool2D):
    """The largest element under each window; the first of tied maxima has the gradient."""

    operation = layers.max_pool

    def __init__(
        self,
        pool_size: Pair = (2, 2),
        strides: Pair | None = None,
        padding: Pair = 0,
        layout: str = "NCHW",
        ceil_mode: bool = False,
    ):
        super().__init__(pool_size, strides, padding, layout, ceil_mode)


class AvgPool2D(Pool2D):
    """The mean under each window, by default with the padding counted."""

    operation = layers.avg_pool

    def __init__(
        self,
        pool_size: Pair = (2, 2),
        strides: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        layout: str = "NCHW",
        count_include_pad: bool = True,
    ):
        super().__init__(pool_size, strides, padding, layout, ceil_mode)
        self._attributes = (*self._attributes, count_include_pad)


class GlobalPool2D(HybridBlock):
    """A reduction over both spatial axes, kept with size 1."""

    kind: str

    def __init__(self, layout: str = "NCHW"):
        super().__init__()
        check_layout(layout)

    def forward(self, x: NDArray) -> NDArray:
        return x.apply(ops.reduce_, self.kind, (2, 3), True)


class GlobalAvgPool2D(GlobalPool2D):
    """The mean over the image."""

    kind = "mean"


class GlobalMaxPool2D(GlobalPool2D):
    """The maximum over the image."""

    kind = "max"


class Flatten(HybridBlock):
    """All axes but the first become one."""

    def forward(self, x: NDArray) -> NDArray:
        return x.flatten()


class Dropout(HybridBlock):
    """In training, keeps each element with probability 1 - rate, scaled by 1 / (1 - rate).

    Along `axes` one draw serves all elements.
    """

    def __init__(self, rate: float, axes: tuple[int, ...] = ()):
        super().__init__()
        if not 0 <= rate < 1:
            raise OptionError(f"Dropout: expected 0 <= rate < 1, given {rate}")
        self._rate = float(rate)
        self._axes = axes

    def forward(self, x: NDArray) -> NDArray:
        if not recorder.training or not self._rate:
            return x
        inputs = [x.current, *generator.state()]
        return NDArray(record(layers.dropout, inputs, (self._rate, tuple(self._axes)))[0])

    def describe(self) -> str:
        return f"p={self._rate}"


class Lambda(Block):
    """A function as a block; a name means the function of `nnc.nd`."""

    def __init__(self, function: str | Callable[..., Any]):
        super().__init__()
        self._function = getattr(nd, function) if isinstance(function, str) else function

    def forward(self, *args: Any) -> Any:
        return self._function(*args)


class HybridLambda(Lambda, HybridBlock):
    """A function as a block."""


class BatchNorm(HybridBlock):
    """Normalizes over all axes but `axis`, then scales by gamma and shifts by beta.

    Statistics are the batch's in training, else the running ones. Under `record()` these become
    momentum * running + (1 - momentum) * batch in the forward pass (as in PyTorch; MXNet's CPU
    build: in backward), with the biased variance (as in Gluon; PyTorch: unbiased).
    """

    def __init__(
        self,
        axis: int = 1,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        use_global_stats: bool = False,
        beta_initializer: Source = "zeros",
        gamma_initializer: Source = "ones",
        running_mean_initializer: Source = "zeros",
        running_variance_initializer: Source = "ones",
        in_channels: int = 0,
    ):
        super().__init__()
        self._axis, self._momentum, self._epsilon = axis, momentum, epsilon
        self._use_global_stats = use_global_stats

        def parameter(name: str, init: Source, request: str) -> Parameter:
            return Parameter(name, request, (in_channels,), init=init, allow_deferred_init=True)

        self.gamma = parameter("gamma", gamma_initializer, "write" if scale else "null")
        self.beta = parameter("beta", beta_initializer, "write" if center else "null")
        self.running_mean = parameter("running_mean", running_mean_initializer, "null")
        self.running_var = parameter("running_var", running_variance_initializer, "null")

    def infer_shape(self, x: NDArray) -> None:
        for parameter in self.params.values():
            parameter.finish((x.shape[self._axis],))

    def forward(self, x: NDArray) -> NDArray:
        value, gamma, beta = x.current, self.gamma.variable.current, self.beta.variable.current
        mean, var = self.running_mean.variable, self.running_var.variable
        settings = (self._axis, self._epsilon)
        if not recorder.training or self._use_global_stats:
            inputs = [value, gamma, beta, mean.current, var.current]
            return NDArray(record(layers.batch_norm_inference, inputs, settings)[0])
        y, *batch = record(layers.batch_norm, [value, gamma, beta], settings)
        for running, new in zip((mean, var), batch, strict=True):
            blended = record(layers.blend, [running.current, new], (self._momentum,), taped=False)
            running.update(blended[0])
        return NDArray(y)

    def describe(self) -> str:
        return f"axis={self._axis}, eps={self._epsilon}, momentum={self._momentum}"
