"""The general strategy: one pass over a space, or several over each of its rows.

All ops of the kernel live on a full shape F or on F without some axes A. The kernel runs, for
each point of F without A, sweeps over A. A sweep computes every reduction whose input is ready
and stores every result on F that is; what is costly and needed again in a later sweep is kept in
scratch, so nothing costly is computed twice. With A empty there is one sweep of one point: plain
elementwise code. Windows (pooling, convolution without a faster form) reduce at their point.

Written as scalar loops; `loop-tile` makes vectors of them.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Block, Operation, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from nnc.dialects import buffer, kernel, scalars
from nnc.dialects.interfaces import Reduction
from nnc.dialects.nn import elementwise
from nnc.dialects.nn.base import Elementwise, element_of, shape_of
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.indexing import IotaOp
from nnc.dialects.nn.reduce import BroadcastOp, ReduceOp
from nnc.dialects.optim.base import Update
from nnc.lowering.strategies.body import (
    Evaluator,
    KernelBody,
    identity_of,
    is_identity,
    new_block,
)
from nnc.lowering.strategies.nest import ZERO, Index, Nest

CHEAP = (
    BroadcastOp,
    IotaOp,
    elementwise.AddOp,
    elementwise.CastOp,
    elementwise.CompareOp,
    ConstantOp,
    elementwise.MulOp,
    elementwise.NegOp,
    elementwise.SelectOp,
    elementwise.SubOp,
)
"""Ops that cost less than keeping their value."""


@dataclass(frozen=True)
class Rows:
    """The full shape, the axes reduced away, and in which sweep each tensor is ready."""

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    sweep: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])

    @staticmethod
    def of(ops: Sequence[Operation], results: Sequence[SSAValue]) -> "Rows":
        """The rows of a body of `Structured` ops with these results."""
        reductions = [op for op in ops if isinstance(op, ReduceOp)]
        if reductions:
            axes = tuple(sorted(reductions[0].reduced_axes))
            rows = Rows(shape_of(reductions[0].input), axes)
        else:
            shape = max(map(shape_of, results), key=len)
            smaller = next((shape_of(r) for r in results if shape_of(r) != shape), None)
            rows = Rows(shape, () if smaller is None else repeated_axes(ops, smaller, shape))
        for op in ops:
            ready = max((rows.sweep.get(v, 0) for v in op.operands), default=0)
            after = ready + 1 if isinstance(op, ReduceOp) else ready
            rows.sweep.update(dict.fromkeys(op.results, after))
        return rows

    @property
    def sweeps(self) -> int:
        return max(self.sweep.values(), default=0) + 1

    def evaluated(
        self, ops: Sequence[Operation], results: Sequence[SSAValue]
    ) -> dict[SSAValue, set[int]]:
        """In which sweeps each tensor is evaluated, if what is costly is kept."""
        evaluated: dict[SSAValue, set[int]] = defaultdict(set)
        for tensor in results:
            evaluated[tensor].add(self.sweep.get(tensor, 0))
        for op in reversed(ops):
            sweeps = {sweep for result in op.results for sweep in evaluated[result]}
            if isinstance(op, ReduceOp):
                sweeps = {self.sweep[op.output] - 1}
            elif self.is_costly(op):
                sweeps = {self.sweep[op.results[0]]}
            for operand in op.operands:
                evaluated[operand] |= sweeps
        return evaluated

    def is_costly(self, op: Operation) -> bool:
        """Whether an op's result on F is kept rather than computed again."""
        return not isinstance(op, (ReduceOp, *CHEAP)) and self.is_full(op.results[0])

    def kept_for_later(
        self, ops: Sequence[Operation], results: Sequence[SSAValue]
    ) -> list[SSAValue]:
        """Costly tensors on F that several sweeps need, so that the first one keeps them."""
        if 0 in self.shape:
            return []
        evaluated = self.evaluated(ops, results)
        return [
            result
            for op in ops
            if self.is_costly(op)
            for result in op.results
            if len(evaluated[result] | {self.sweep[result]}) > 1 and evaluated[result]
        ]

    @property
    def kept(self) -> tuple[int, ...]:
        return tuple(d for d in range(len(self.shape)) if d not in self.axes)

    def is_full(self, tensor: SSAValue) -> bool:
        """Whether the tensor lives on F, not on F without A."""
        return not self.axes or shape_of(tensor) == self.shape

    def full_index(self, outer: Index, inner: Index) -> Index:
        """The index into F from those along the kept and the reduced axes."""
        parts: dict[int, AffineExpr] = dict(zip(self.kept, outer, strict=True))
        parts |= dict(zip(self.axes, inner, strict=True))
        return tuple(parts[d] for d in range(len(self.shape)))


def repeated_axes(
    ops: Sequence[Operation], row: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[int, ...]:
    """The axes along which what a body computes for its rows is repeated.

    They are A where nothing reduces: a gradient of rows may need no sum.
    """
    computed = {result for op in ops for result in op.results}
    repeats = (op for op in ops if isinstance(op, BroadcastOp) and op.input in computed)
    for op in repeats:
        if (shape_of(op.input), shape_of(op.output)) == (row, shape):
            return tuple(d for d in range(len(shape)) if d not in op.axes)
    raise NotImplementedError(f"no value of shape {row} is repeated to {shape}")


def build(function: kernel.FuncOp) -> Block:
    """The kernel's loops."""
    body = KernelBody.of(function)
    block, buffers = new_block(function)
    rows = Rows.of(body.ops, [tensor for tensor, _ in body.results])
    nest = Nest(block)
    if is_flat(body, rows):
        rows = replace(rows, shape=(math.prod(rows.shape),))
        buffers = {old: _flat(nest, new, rows.shape) for old, new in buffers.items()}
    _Sweeps(body, rows, nest, buffers).write()
    return block


def is_flat(body: KernelBody, rows: Rows) -> bool:
    """Whether only the order of the elements matters, not their shape.

    So it is when every op reads each operand at its own point or as one scalar, from and to
    buffers without gaps; the kernel then runs over one long dimension.
    """
    plain = all(
        isinstance(op, Elementwise | BroadcastOp | Update)
        and all(is_identity(a) or not a.map.results for a in op.accesses())
        for op in body.ops
    )
    arguments = [buffer.type_of(a) for a in body.function.block.args]
    whole = all(
        buffer.strides_of(t) == buffer.contiguous_strides(t.get_shape())
        and t.get_shape() in (rows.shape, ())
        for t in arguments
    )
    return plain and whole and len(rows.shape) > 1


def _flat(nest: Nest, source: SSAValue, shape: tuple[int, ...]) -> SSAValue:
    """The buffer with one dimension; scalars stay as they are."""
    type = buffer.type_of(source)
    if not type.get_shape():
        return source
    zero = AffineMap(0, 0, (ZERO,) * len(type.get_shape()))
    view = buffer.ViewOp(source, [], zero, MemRefType(type.element_type, shape))
    nest.builder.insert(view).output.name_hint = source.name_hint
    return view.output


class _Sweeps:
    def __init__(self, body: KernelBody, rows: Rows, nest: Nest, buffers: dict[SSAValue, SSAValue]):
        self.rows = rows
        self.nest = nest
        self.reductions = [op for op in body.ops if isinstance(op, ReduceOp)]
        sources = {tensor: buffers[source] for tensor, source in body.sources.items()}
        self.evaluator = Evaluator(nest, sources)
        self.results = [(tensor, buffers[target]) for tensor, target in body.results]
        self.scratch = {
            tensor: self._line(tensor)
            for tensor in rows.kept_for_later(body.ops, [t for t, _ in self.results])
        }

    def _line(self, tensor: SSAValue) -> SSAValue:
        """Scratch for a row of a tensor."""
        element = scalars.held(element_of(tensor))
        type = MemRefType(element, [self.rows.shape[d] for d in self.rows.axes])
        line = self.nest.builder.insert(buffer.AllocOp(type)).output
        assert isinstance(tensor.owner, Operation)
        line.name_hint = f"{tensor.owner.name.partition('.')[2]}_line"
        return line

    def write(self) -> None:
        rows = self.rows
        with self.nest.parallel([rows.shape[d] for d in rows.kept]) as outer:
            for sweep in range(rows.sweeps):
                self._sweep(sweep, outer)
            stores = [
                (self.evaluator.value(tensor, outer), target, outer)
                for tensor, target in self.results
                if not rows.is_full(tensor)
            ]
            for store in stores:
                self.nest.store(*store)
        self.nest.builder.insert(kernel.ReturnOp())

    def _sweep(self, sweep: int, outer: Index) -> None:
        rows = self.rows
        ready = {t for t, s in rows.sweep.items() if s == sweep}
        reductions = [op for op in self.reductions if rows.sweep[op.output] == sweep + 1]
        results = [
            (tensor, target)
            for tensor, target in self.results
            if rows.is_full(tensor) and rows.sweep.get(tensor, 0) == sweep
        ]
        kept = [(tensor, target) for tensor, target in self.scratch.items() if tensor in ready]

        def write(inner: Index) -> list[SSAValue]:
            """Reads everything before storing: a result may take an operand's place."""
            full = rows.full_index(outer, inner)
            values = [self.evaluator.value(op.input, full) for op in reductions]
            stores = [(self.evaluator.value(t, full), target, full) for t, target in results]
            stores += [(self.evaluator.value(t, full), target, inner) for t, target in kept]
            for store in stores:
                self.nest.store(*store)
            return values

        counts = [rows.shape[d] for d in rows.axes]
        if reductions:
            self._reduce(reductions, counts, write)
        elif results or kept:
            with self.nest.parallel(counts) as inner:
                write(inner)
        for tensor, target in kept:
            self._read_back(tensor, target)

    def _reduce(
        self,
        reductions: Sequence[ReduceOp],
        counts: Sequence[int],
        write: Callable[[Index], list[SSAValue]],
    ) -> None:
        """One sweep that combines the inputs of `reductions` and writes what else is ready."""
        b = self.nest.builder
        kinds: list[Reduction] = [kind for op in reductions for kind in op.reductions()]
        inits = [
            scalars.constant(b, identity_of(kind, element_of(op.output)), element_of(op.output))
            for kind, op in zip(kinds, reductions, strict=True)
        ]

        def step(inner: Index, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            return self.evaluator.combine(kinds, carried, write(inner))

        combined = self.nest.loops(counts, inits, step)
        for op, value in zip(reductions, combined, strict=True):
            (result,) = self.evaluator.wrapped(op, op.finalize(self.nest.builder, [value]))
            self.evaluator.known[op.output] = constantly(self._shared(result))

    def _shared(self, value: SSAValue) -> SSAValue:
        """A row's value for the threads of later sweeps; a single row leaves it in memory."""
        if self.nest.indices or not any(self.rows.is_full(t) for t, _ in self.results):
            return value
        place = self.nest.builder.insert(buffer.AllocOp(MemRefType(value.type, [])))
        self.nest.store(value, place.output, ())
        return self.nest.load(place.output, ())

    def _read_back(self, tensor: SSAValue, target: SSAValue) -> None:
        """From now on, `tensor` is read from its scratch."""
        axes = self.rows.axes
        self.evaluator.known[tensor] = lambda full: self.nest.load(
            target, tuple(full[d] for d in axes)
        )


def constantly(value: SSAValue) -> Callable[[Index], SSAValue]:
    """The value of a row, whatever the index."""
    return lambda index: value
