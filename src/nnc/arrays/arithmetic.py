"""The operators and methods of arrays that are one operation each."""

import math
from abc import ABC, abstractmethod
from typing import Any, Self

from nnc.checks import bound, sizes_of
from nnc.operators import core as ops
from nnc.operators import elementwise as elements
from nnc.operators import layer as layers
from nnc.recording.graph import Attributes, Operation

Axis = int | tuple[int, ...] | None


class Arithmetic(ABC):
    """What arrays compute. The subclass says how an operation is applied."""

    __slots__ = ()

    @abstractmethod
    def apply(self, operation: Operation, *attributes: Any) -> Self:
        """The operation on this array alone."""

    @abstractmethod
    def combine(
        self, operation: Operation, x: object, y: object, attributes: Attributes = ()
    ) -> Self:
        """The operation on two operands, one of them this array: one dtype, shapes broadcast."""

    @abstractmethod
    def as_float(self) -> Self:
        """The array itself if it holds floats, else as float32."""

    def __add__(self, other: Any) -> Self:
        return self.combine(ops.add, self, other)

    def __radd__(self, other: Any) -> Self:
        return self.combine(ops.add, other, self)

    def __sub__(self, other: Any) -> Self:
        return self.combine(ops.subtract, self, other)

    def __rsub__(self, other: Any) -> Self:
        return self.combine(ops.subtract, other, self)

    def __mul__(self, other: Any) -> Self:
        return self.combine(ops.multiply, self, other)

    def __rmul__(self, other: Any) -> Self:
        return self.combine(ops.multiply, other, self)

    def __truediv__(self, other: Any) -> Self:
        return self.combine(ops.divide, self.as_float(), other)

    def __rtruediv__(self, other: Any) -> Self:
        return self.combine(ops.divide, other, self.as_float())

    def __floordiv__(self, other: Any) -> Self:
        return self.combine(elements.floor_divide, self, other)

    def __rfloordiv__(self, other: Any) -> Self:
        return self.combine(elements.floor_divide, other, self)

    def __mod__(self, other: Any) -> Self:
        return self.combine(elements.modulo, self, other)

    def __rmod__(self, other: Any) -> Self:
        return self.combine(elements.modulo, other, self)

    def __pow__(self, other: Any) -> Self:
        if isinstance(other, int | float):
            return self.as_float().apply(ops.power_of, float(other))
        return self.combine(ops.power, self.as_float(), other)

    def __rpow__(self, other: Any) -> Self:
        return self.combine(ops.power, other, self.as_float())

    def __matmul__(self, other: Any) -> Self:
        return self.combine(ops.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return self.combine(ops.matmul, other, self)

    def __neg__(self) -> Self:
        return self.apply(ops.negative)

    def __abs__(self) -> Self:
        return self.apply(ops.abs_)

    def __lt__(self, other: Any) -> Self:
        return self.combine(ops.compare, self, other, ("lt",))

    def __le__(self, other: Any) -> Self:
        return self.combine(ops.compare, self, other, ("le",))

    def __gt__(self, other: Any) -> Self:
        return self.combine(ops.compare, self, other, ("gt",))

    def __ge__(self, other: Any) -> Self:
        return self.combine(ops.compare, self, other, ("ge",))

    def __eq__(self, other: object) -> Any:
        return self.combine(ops.compare, self, other, ("eq",))

    def __ne__(self, other: object) -> Any:
        return self.combine(ops.compare, self, other, ("ne",))

    __hash__ = object.__hash__

    def sum(self, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> Self:
        """The sum over `axis`, all axes by default; with `exclude` over the others."""
        return self.apply(ops.reduce_, "sum", axis, keepdims, exclude)

    def mean(self, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> Self:
        return self.as_float().apply(ops.reduce_, "mean", axis, keepdims, exclude)

    def max(self, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> Self:
        """The maximum; its gradient is 1 at each of tied maxima."""
        return self.apply(ops.reduce_, "max", axis, keepdims, exclude)

    def min(self, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> Self:
        return self.apply(ops.reduce_, "min", axis, keepdims, exclude)

    def prod(self, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> Self:
        return self.apply(ops.reduce_, "prod", axis, keepdims, exclude)

    def argmax(self, axis: int | None = None) -> Self:
        """The first position of the maximum along `axis`, or in the flattened array."""
        return self.apply(ops.argmax, axis)

    def broadcast_to(self, shape: tuple[int, ...]) -> Self:
        return self.apply(ops.broadcast_to, sizes_of("broadcast_to", shape))

    def transpose(self, *axes: Any) -> Self:
        """The axes in the given order, reversed by default."""
        if len(axes) == 1 and not isinstance(axes[0], int):
            axes = tuple(axes[0]) if isinstance(axes[0], list | tuple) else axes
        axes = () if axes == (None,) else axes
        return self.apply(ops.transpose, axes)

    T = property(transpose)
    """The axes reversed."""

    def clip(
        self,
        a_min: float | None = None,
        a_max: float | None = None,
        *,
        min: float | None = None,
        max: float | None = None,
    ) -> Self:
        """The nearest value in [a_min, a_max]; the gradient is 1 at both bounds.

        A bound may be infinite, or None, which means none. NumPy calls them `min` and `max`.
        """
        low = bound("clip: a_min", min if a_min is None else a_min, -math.inf)
        high = bound("clip: a_max", max if a_max is None else a_max, math.inf)
        return self.apply(ops.clip, low, high)

    def exp(self) -> Self:
        return self.as_float().apply(ops.exp)

    def log(self) -> Self:
        return self.as_float().apply(ops.log)

    def sqrt(self) -> Self:
        return self.as_float().apply(ops.sqrt)

    def square(self) -> Self:
        return self.apply(ops.square)

    def abs(self) -> Self:
        return self.apply(ops.abs_)

    def tanh(self) -> Self:
        return self.as_float().apply(ops.tanh)

    def sigmoid(self) -> Self:
        return self.as_float().apply(ops.sigmoid)

    def relu(self) -> Self:
        return self.apply(ops.relu)

    def softmax(self, axis: int = -1) -> Self:
        return self.as_float().apply(layers.softmax, axis)

    def log_softmax(self, axis: int = -1) -> Self:
        return self.as_float().apply(layers.log_softmax, axis)
