"""Dense layers, dropout, and functions as layers."""

import math
from collections.abc import Callable
from typing import Any

from nnc import nd
from nnc.array_functions import layer as functions
from nnc.array_functions.layer import activation_named
from nnc.arrays.array import NDArray
from nnc.checks import chosen, count, number
from nnc.errors import DtypeError, OptionError, ShapeError
from nnc.gluon.block import Block, HybridBlock, check_array
from nnc.gluon.parameter import Parameter
from nnc.init import Initializer
from nnc.operators import layer as layers
from nnc.recording.graph import Operation
from nnc.recording.recorder import record

Source = Initializer | str | None
"""What says how a parameter is initialized."""


class Affine(HybridBlock):
    """A linear map with a weight, a bias for each of `units` if wanted, and an activation."""

    def __init__(
        self,
        units: int,
        weight: tuple[int, ...],
        activation: str | None,
        use_bias: bool,
        dtype: str,
        weight_initializer: Source,
        bias_initializer: Source,
    ):
        super().__init__()
        self._activation = None if activation is None else activation_named(activation)
        self.activation = "" if activation is None else f"Activation({activation})"
        """How `repr` shows it."""
        self.weight = Parameter(
            "weight", shape=weight, dtype=dtype, init=weight_initializer, allow_deferred_init=True
        )
        self.bias: Parameter | None = None
        if use_bias:
            self.bias = Parameter("bias", shape=(units,), dtype=dtype, init=bias_initializer)

    def affine(self, operation: Operation, x: NDArray, *attributes: Any) -> NDArray:
        """The operation on `x`, weight and bias, then the activation."""
        value = check_array(type(self).__name__, x).current
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
        self._units = count("Dense: units", units)
        shape = (self._units, count("Dense: in_units", in_units, 0))
        super().__init__(
            self._units, shape, activation, use_bias, dtype, weight_initializer, bias_initializer
        )
        self.weight.layout = (1, 0)
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
        width = (self.weight.shape or (0, 0))[1] or None
        return f"{width} -> {self._units}, {self.activation or 'linear'}"


class Flatten(HybridBlock):
    """All axes but the first become one."""

    def forward(self, x: NDArray) -> NDArray:
        return x.flatten()


class Identity(HybridBlock):
    """The input itself."""

    def forward(self, x: NDArray) -> NDArray:
        return x


class Embedding(HybridBlock):
    """A row of the weight, `(input_dim, output_dim)`, for each index.

    Gradients are dense; `sparse_grad` is accepted and changes nothing.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        dtype: str = "float32",
        weight_initializer: Source = None,
        sparse_grad: bool = False,
    ):
        super().__init__()
        shape = (
            count("Embedding: input_dim", input_dim), count("Embedding: output_dim", output_dim)
        )  # fmt: skip
        self.weight = Parameter("weight", shape=shape, dtype=dtype, init=weight_initializer)

    def forward(self, x: NDArray) -> NDArray:
        return nd.embedding(x, self.weight.data())

    def describe(self) -> str:
        rows, width = self.weight.shape or (0, 0)
        return f"{rows} -> {width}, {self.weight.dtype}"


class Dropout(HybridBlock):
    """In training, keeps each element with probability 1 - rate, scaled by 1 / (1 - rate).

    Along `axes` one draw serves all elements.
    """

    def __init__(self, rate: float, axes: tuple[int, ...] = ()):
        super().__init__()
        self._rate = number("Dropout: rate", rate, least=0, below=1)
        self._axes = axes

    def forward(self, x: NDArray) -> NDArray:
        return functions.dropout(x, self._rate, axes=self._axes)

    def describe(self) -> str:
        return f"p = {self._rate}, axes={self._axes}"


class Lambda(Block):
    """A function as a block; a name means the function of `nnc.nd`."""

    def __init__(self, function: str | Callable[..., Any]):
        super().__init__()
        if isinstance(function, str):
            self._function = getattr(nd, chosen("Lambda", function, vars(nd)))
        elif callable(function):
            self._function = function
        else:
            raise OptionError(f"Lambda: expected a function or its name, given {function!r}")

    def forward(self, *args: Any) -> Any:
        return self._function(*args)

    def describe(self) -> str:
        return getattr(self._function, "__name__", type(self._function).__name__)


class HybridLambda(Lambda, HybridBlock):
    """A function as a block; `nnc.nd` comes first where its first argument is `F`, as in 1.x."""

    def forward(self, *args: Any) -> Any:
        code = getattr(self._function, "__code__", None)
        takes_functions = code is not None and code.co_varnames[: code.co_argcount][:1] == ("F",)
        return self._function(*((nd,) if takes_functions else ()), *args)
