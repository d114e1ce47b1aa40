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


def windows(sizes: pool.Windows) -> Iterator[tuple[int, int, slice, slice]]:
    """Each output position with the part of the image in its window."""
    rows, columns = sizes
    for h in range(rows.count):
        for w in range(columns.count):
            yield h, w, covered(rows, h), covered(columns, w)


def divisor(op: pool.AveragePool, rows: slice, columns: slice) -> int:
    if op.count_include_pad:
        return int(np.prod(op.geometry[0]))
    return (rows.stop - rows.start) * (columns.stop - columns.start)


def max_pool(op: pool.MaxPoolOp, x: Array) -> tuple[Array, Array]:
    shape = shape_of(op.output)
    values, indices = np.empty(shape, x.dtype), np.empty(shape, np.int32)
    for h, w, rows, columns in windows(op.windows):
        part = x[:, :, rows, columns]
        flat = part.reshape(*shape[:2], part.shape[2] * part.shape[3])
        first = np.argmax(flat, -1)
        values[:, :, h, w] = np.take_along_axis(flat, first[..., None], -1)[..., 0]
        row, column = np.divmod(first, part.shape[3])
        indices[:, :, h, w] = (rows.start + row) * x.shape[3] + columns.start + column
    return values, indices


def avg_pool(op: pool.AvgPoolOp, x: Array) -> Array:
    y = np.empty(shape_of(op.output), x.dtype)
    for h, w, rows, columns in windows(op.windows):
        y[:, :, h, w] = x[:, :, rows, columns].sum((2, 3)) / divisor(op, rows, columns)
    return y


def avg_pool_grad(op: pool.AvgPoolGradOp, g: Array) -> Array:
    x = np.zeros(shape_of(op.output), g.dtype)
    for h, w, rows, columns in windows(op.windows):
        x[:, :, rows, columns] += g[:, :, h, w, None, None] / divisor(op, rows, columns)
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
