"""The meaning of pooling: one window after the other."""

from collections.abc import Iterator

import numpy as np
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)

from nnc.dialects.meaning.formulas import Array, meaning
from nnc.dialects.nn import pool
from nnc.dialects.nn.base import shape_of
from nnc.dialects.nn.window import Window


def covered(window: Window, position: int) -> slice:
    """The elements of the image in the window at an output position."""
    start = position * window.stride - window.low
    return slice(max(start, 0), min(start + window.kernel, window.size))


Place = tuple[slice | int, ...]


def windows(sizes: pool.Windows) -> Iterator[tuple[Place, tuple[slice, ...]]]:
    """Each output position with the part of the image in its window."""
    for at in np.ndindex(*(window.count for window in sizes)):
        part = tuple(map(covered, sizes, at))
        yield (slice(None), slice(None), *at), part


def divisor(op: pool.AveragePool, part: tuple[slice, ...]) -> int:
    if op.count_include_pad:
        return int(np.prod(op.geometry[0]))
    return int(np.prod([axis.stop - axis.start for axis in part]))


def max_pool(op: pool.MaxPoolOp, x: Array) -> tuple[Array, Array]:
    shape = shape_of(op.output)
    values, indices = np.empty(shape, x.dtype), np.empty(shape, np.int32)
    positions = np.arange(np.prod(x.shape[2:])).reshape(x.shape[2:])
    for at, part in windows(op.windows):
        where = positions[part].ravel()
        flat = x[(..., *part)].reshape(*shape[:2], where.size)
        first = np.argmax(flat, -1)
        values[at] = np.take_along_axis(flat, first[..., None], -1)[..., 0]
        indices[at] = where[first]
    return values, indices


def avg_pool(op: pool.AvgPoolOp, x: Array) -> Array:
    y = np.empty(shape_of(op.output), x.dtype)
    for at, part in windows(op.windows):
        y[at] = x[(..., *part)].sum(tuple(range(2, x.ndim))) / divisor(op, part)
    return y


def avg_pool_grad(op: pool.AvgPoolGradOp, g: Array) -> Array:
    x = np.zeros(shape_of(op.output), g.dtype)
    for at, part in windows(op.windows):
        spread = g[at].reshape(*g.shape[:2], *(1,) * len(part))
        x[(..., *part)] += spread / divisor(op, part)
    return x


@register_impls
class PoolFunctions(InterpreterFunctions):
    """One numpy formula per op."""

    @impl(pool.MaxPoolOp)
    def max_pool(
        self, interpreter: Interpreter, op: pool.MaxPoolOp, args: PythonValues
    ) -> PythonValues:
        return max_pool(op, args[0])

    avg_pool = meaning(pool.AvgPoolOp, avg_pool)
    avg_pool_grad = meaning(pool.AvgPoolGradOp, avg_pool_grad)
