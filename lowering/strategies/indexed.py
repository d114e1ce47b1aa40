"""Ops whose loops follow an index: gather, scatter, arg-max, cumulative sums, max-pooling.

Each has a kernel to itself, plain copies aside, and a builder here: a table from op to loops.
Sums are taken in a fixed order, so the same bits come out with any number of threads.
"""

from collections.abc import Callable, Sequence
from functools import reduce

from xdsl.builder import Builder
from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, i32
from xdsl.ir import Block, Operation, SSAValue
from xdsl.ir.affine import (
    AffineConstraintExpr,
    AffineConstraintKind,
    AffineExpr,
    AffineMap,
    AffineSet,
)

from nnc.dialects import kernel, scalars
from nnc.dialects.nn.base import element_of, linear_index, shape_of
from nnc.dialects.nn.indexing import GatherOp, ScatterAddOp
from nnc.dialects.nn.pool import MaxPoolOp
from nnc.dialects.nn.reduce import ArgmaxOp, CumsumOp
from nnc.lowering.strategies.body import Evaluator, KernelBody, identity_of, new_block
from nnc.lowering.strategies.nest import ZERO, Index, Nest


class Place:
    """Where one op's kernel is written: its nest, operand values and result buffers."""

    def __init__(self, function: kernel.FuncOp):
        body = KernelBody.of(function)
        self.block, buffers = new_block(function)
        self.nest = Nest(self.block)
        self.sources = {tensor: buffers[source] for tensor, source in body.sources.items()}
        self.evaluator = Evaluator(self.nest, self.sources)
        self.targets = {tensor: buffers[target] for tensor, target in body.results}
        (self.op,) = (op for op in body.ops if has_loops(op))

    @property
    def b(self) -> Builder:
        return self.nest.builder

    def operand(self, number: int, index: Index) -> SSAValue:
        return self.evaluator.value(self.op.operands[number], index)

    def store(self, value: SSAValue, number: int, index: Index) -> None:
        """Stores an element of a result, where the kernel returns that result."""
        target = self.targets.get(self.op.results[number])
        if target is not None:
            self.nest.store(value, target, index)

    def position(self, value: SSAValue, size: int) -> SSAValue:
        """An index read from memory, or the nearest within `[0, size)`: no access goes astray."""
        low = scalars.maximum(self.b, value, scalars.constant(self.b, 0, value))
        held = scalars.minimum(self.b, low, scalars.constant(self.b, size - 1, value))
        return self.b.insert(arith.IndexCastOp(held, IndexType())).result

    def subscript(
        self, before: Index, position: SSAValue, after: Index
    ) -> tuple[list[SSAValue], AffineMap]:
        """The subscript `[before…, position, after…]`."""
        values = [*self.nest.indices, position]
        exprs = (*before, AffineExpr.dimension(len(self.nest.indices)), *after)
        return values, AffineMap(len(values), 0, exprs)


def has_loops(op: Operation) -> bool:
    """Whether the op has a builder here."""
    return type(op) in BUILDERS


def build(function: kernel.FuncOp) -> Block:
    """The kernel's loops."""
    place = Place(function)
    BUILDERS[type(place.op)](place.op, place)
    place.nest.builder.insert(kernel.ReturnOp())
    return place.block


def _sizes(op: GatherOp | ScatterAddOp, table: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The sizes of a table before the indexed axis, of the indices in its place, and after it."""
    axis = op.indexed_axis
    return tuple(table[:axis]), shape_of(op.indices)[op.batches :], tuple(table[axis + 1 :])


def _gather(op: Operation, place: Place) -> None:
    assert isinstance(op, GatherOp)
    before, looked_up, after = _sizes(op, shape_of(op.table))
    size = shape_of(op.table)[op.indexed_axis]
    with place.nest.parallel([*before, *looked_up, *after]) as point:
        end = len(before) + len(looked_up)
        number = place.operand(1, (*point[: op.batches], *point[len(before) : end]))
        position = place.position(number, size)
        subscript = place.subscript(point[: len(before)], position, point[end:])
        place.store(place.nest.load_at(place.sources[op.table], *subscript), 0, point)


def _scatter_add(op: Operation, place: Place) -> None:
    """Zeroes, then adds in the order of the updates, for all that is independent of the indices."""
    assert isinstance(op, ScatterAddOp)
    table = shape_of(op.output)
    before, looked_up, after = _sizes(op, table)
    target = place.targets[op.output]
    zero = scalars.constant(place.b, 0, element_of(op.output))
    with place.nest.parallel([*before, *after]) as point:
        outer, inner = point[: len(before)], point[len(before) :]
        with place.nest.parallel([table[op.indexed_axis]]) as (position,):
            place.nest.store(zero, target, (*outer, position, *inner))

        def add(index: Index, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            number = place.evaluator.value(op.indices, (*outer[: op.batches], *index))
            update = place.evaluator.value(op.updates, (*outer, *index, *inner))
            at = place.subscript(outer, place.position(number, table[op.indexed_axis]), inner)
            old = place.nest.load_at(target, *at)
            place.nest.store_at(scalars.add(place.b, old, update), target, *at)
            return carried

        place.nest.loops(looked_up, [], add)


def _argmax(op: Operation, place: Place) -> None:
    """The first position of the maximum; NaN is larger than everything."""
    assert isinstance(op, ArgmaxOp)
    axis = op.axis.value.data
    shape = shape_of(op.input)
    with place.nest.parallel([*shape[:axis], *shape[axis + 1 :]]) as point:
        best = [_lowest(place, op.input), scalars.constant(place.b, 0, i32)]

        def step(index: Index, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            value = place.operand(0, (*point[:axis], *index, *point[axis:]))
            return _larger(place, carried, value, place.evaluator.coordinate(index[0]))

        place.store(place.nest.loop(shape[axis], best, step)[1], 0, point)


def _lowest(place: Place, tensor: SSAValue) -> SSAValue:
    element = element_of(tensor)
    return scalars.constant(place.b, identity_of("max", element), element)


def _larger(
    place: Place, best: Sequence[SSAValue], value: SSAValue, position: SSAValue
) -> list[SSAValue]:
    """The larger of the best value so far and a new one, and its position; the first NaN wins."""
    b = place.b
    better = scalars.compare(b, "gt", value, best[0])
    if scalars.is_float(value.type):
        undefined = scalars.compare(b, "ne", value, value)
        known = scalars.compare(b, "eq", best[0], best[0])
        first = b.insert(arith.AndIOp(undefined, known)).result
        better = b.insert(arith.OrIOp(better, first)).result
    return [
        scalars.select(b, better, value, best[0]),
        scalars.select(b, better, position, best[1]),
    ]


def _cumsum(op: Operation, place: Place) -> None:
    assert isinstance(op, CumsumOp)
    axis = op.axis.value.data
    shape = shape_of(op.input)
    last = shape[axis] - 1
    with place.nest.parallel([*shape[:axis], *shape[axis + 1 :]]) as point:
        start = scalars.constant(place.b, 0, element_of(op.input))

        def step(index: Index, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            along = index[0] if op.reverse is None else index[0] * -1 + last
            at = (*point[:axis], along, *point[axis:])
            total = scalars.add(place.b, carried[0], place.operand(0, at))
            place.store(total, 0, at)
            return [total]

        place.nest.loop(shape[axis], [start], step)


def _max_pool(op: Operation, place: Place) -> None:
    """The maximum under each window and its flat position; padding is never read."""
    assert isinstance(op, MaxPoolOp)
    size, strides, low, high = op.geometry
    image = shape_of(op.input)[2:]
    padded = any(low) or any(high)
    inside = _within(image)
    with place.nest.parallel(shape_of(op.output)) as (n, c, *corner):
        first = [
            _not_negative(place, o * s + -before, before)
            for o, s, before in zip(corner, strides, low, strict=True)
        ]
        best = [_lowest(place, op.input), linear_index(place.b, image, first.__getitem__)]

        def step(index: Index, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            at = tuple(
                o * s + k + -before
                for o, s, k, before in zip(corner, strides, index, low, strict=True)
            )

            def read() -> list[SSAValue]:
                value = place.operand(0, (n, c, *at))
                position = place.evaluator.coordinate(_flat(at, image))
                return _larger(place, carried, value, position)

            return place.nest.when(inside, at, carried, read) if padded else read()

        value, position = place.nest.loops(size, best, step)
        place.store(value, 0, (n, c, *corner))
        place.store(position, 1, (n, c, *corner))


def _flat(at: Index, sizes: Sequence[int]) -> AffineExpr:
    """Where `at` stands in row-major order."""
    return reduce(lambda flat, axis: flat * axis[1] + axis[0], zip(at, sizes, strict=True), ZERO)


def _not_negative(place: Place, index: AffineExpr, low: int) -> SSAValue:
    """The value of an index, or 0 where it is in the padding: a window's first element."""
    value = place.evaluator.coordinate(index)
    return scalars.maximum(place.b, value, scalars.constant(place.b, 0, i32)) if low else value


def _within(sizes: Sequence[int]) -> AffineSet:
    """The points of a space: `0 <= d < size` for each dimension."""
    dims = [AffineExpr.dimension(d) for d in range(len(sizes))]
    bounds = [*dims, *(d * -1 + (size - 1) for d, size in zip(dims, sizes, strict=True))]
    zero = AffineExpr.constant(0)
    return AffineSet(
        len(sizes),
        0,
        tuple(AffineConstraintExpr(AffineConstraintKind.ge, bound, zero) for bound in bounds),
    )


BUILDERS: dict[type[Operation], Callable[[Operation, Place], None]] = {
    ArgmaxOp: _argmax,
    CumsumOp: _cumsum,
    GatherOp: _gather,
    MaxPoolOp: _max_pool,
    ScatterAddOp: _scatter_add,
}
