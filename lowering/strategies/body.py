"""The tensor ops of one kernel, evaluated element by element.

A bufferized kernel reads its arguments by `buffer.to_tensor` and ends by `buffer.materialize`.
`KernelBody` says where each tensor is in memory; `Evaluator` writes the code for one element of
any tensor of the body, recursing through the ops that make it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import AnyFloat, IndexType, IntegerType, i32
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

from nnc.dialects import buffer, kernel, scalars
from nnc.dialects.interfaces import Access, Reduction, Structured
from nnc.dialects.nn.base import element_of
from nnc.lowering.program import place
from nnc.lowering.strategies.nest import Index, Nest, apply


def new_block(function: kernel.FuncOp) -> tuple[Block, dict[SSAValue, SSAValue]]:
    """An empty body with the kernel's arguments, and the new argument for each old one."""
    block = Block(arg_types=function.block.arg_types)
    buffers: dict[SSAValue, SSAValue] = {}
    for old, new in zip(function.block.args, block.args, strict=True):
        new.name_hint = old.name_hint
        buffers[old] = new
    return block, buffers


@dataclass(frozen=True)
class KernelBody:
    """What a kernel reads, computes and writes."""

    function: kernel.FuncOp
    sources: dict[SSAValue, SSAValue]
    """Tensors read from memory, and the buffers that hold them."""
    ops: tuple[Operation, ...]
    """The tensor ops, in order."""
    results: tuple[tuple[SSAValue, SSAValue], ...]
    """Tensors and the buffers they are written to."""

    @staticmethod
    def of(function: kernel.FuncOp) -> "KernelBody":
        sources: dict[SSAValue, SSAValue] = {}
        ops: list[Operation] = []
        results: list[tuple[SSAValue, SSAValue]] = []
        for op in function.block.ops:
            match op:
                case buffer.ToTensorOp():
                    sources[op.output] = op.source
                case buffer.MaterializeOp():
                    results.append((op.source, op.target))
                case kernel.ReturnOp():
                    pass
                case _:
                    ops.append(op)
        return KernelBody(function, sources, tuple(ops), tuple(results))


def identity_of(kind: Reduction, type: Attribute) -> float:
    """The value that changes nothing when combined."""
    if kind in ("sum", "prod"):
        return 0 if kind == "sum" else 1
    if isinstance(type, AnyFloat):
        return -math.inf if kind == "max" else math.inf
    assert isinstance(type, IntegerType)
    smallest, largest = scalars.integer_range(type)
    return smallest if kind == "max" else largest


COMBINE = {
    "sum": scalars.add,
    "prod": scalars.mul,
    "max": scalars.maximum,
    "min": scalars.minimum,
}


def is_identity(access: Access) -> bool:
    """Whether the operand is read at the very point that is computed."""
    return access.guard is None and access.map == AffineMap.identity(access.map.num_dims)


class Evaluator:
    """Writes the value of one element of a tensor, at the place where `nest` stands."""

    def __init__(self, nest: Nest, sources: dict[SSAValue, SSAValue]):
        self.nest = nest
        self.sources = dict(sources)
        self.known: dict[SSAValue, Callable[[Index], SSAValue]] = {}

    def value(self, tensor: SSAValue, index: Index) -> SSAValue:
        """The element of `tensor` at `index`; each is computed once in a body."""
        if tensor in self.known:
            return self.known[tensor](index)
        if tensor in self.sources:
            return self.nest.load(self.sources[tensor], index)
        remembered = self.nest.remembered((tensor, index))
        if remembered is not None:
            return remembered
        op = tensor.owner
        assert isinstance(op, Operation)
        for result, value in zip(op.results, self._compute(op, index), strict=True):
            self.nest.remember((result, index), value)
        value = self.nest.remembered((tensor, index))
        assert value is not None
        return value

    def _compute(self, op: Operation, index: Index) -> Sequence[SSAValue]:
        if not isinstance(op, Structured):
            raise NotImplementedError(
                f"{op.name}{place(op)} has no lowering: it is neither Structured nor Decomposes, "
                "and no strategy in lowering/strategies handles it"
            )
        return self.reduce(op, index) if op.domain().reduced else self.point(op, index)

    def point(self, op: Structured, index: Index) -> Sequence[SSAValue]:
        """`op.scalar` at a point of its domain."""
        arguments = [
            self._operand(operand, access, index)
            for operand, access in zip(op.operands, op.accesses(), strict=True)
        ]
        b = self.nest.builder
        values = op.scalar(b, arguments, lambda d: self.coordinate(index[d]))
        return self.wrapped(op, values)

    def wrapped(self, op: Operation, values: Sequence[SSAValue]) -> Sequence[SSAValue]:
        """The results of an op as its element types say."""
        return [
            scalars.wrapped(self.nest.builder, value, element_of(result))
            for result, value in zip(op.results, values, strict=True)
        ]

    def _operand(self, operand: SSAValue, access: Access, index: Index) -> SSAValue:
        nest = self.nest
        if is_identity(access):
            return self.value(operand, index)

        def read() -> SSAValue:
            return self.value(operand, apply(access.map, index, len(nest.indices)))

        if access.guard is None:
            return read()
        fill = scalars.constant(nest.builder, access.fill, element_of(operand))
        return nest.when(access.guard, index, [fill], lambda: [read()])[0]

    def reduce(self, op: Structured, index: Index) -> Sequence[SSAValue]:
        """The results of a reduction at a parallel index, by loops written right here."""
        b = self.nest.builder
        kinds = op.reductions()
        inits = [
            scalars.constant(b, identity_of(kind, element_of(result)), element_of(result))
            for kind, result in zip(kinds, op.results, strict=True)
        ]

        def step(reduced: Index, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            values = self.point(op, (*index, *reduced))
            return self.combine(kinds, carried, values)

        combined = self.nest.loops(op.domain().reduced, inits, step)
        return self.wrapped(op, op.finalize(self.nest.builder, combined))

    def combine(
        self, kinds: Sequence[Reduction], carried: Sequence[SSAValue], values: Sequence[SSAValue]
    ) -> Sequence[SSAValue]:
        return [
            COMBINE[kind](self.nest.builder, c, v)
            for kind, c, v in zip(kinds, carried, values, strict=True)
        ]

    def coordinate(self, expr: AffineExpr) -> SSAValue:
        """The value of an index expression, as i32."""
        b = self.nest.builder
        match expr:
            case AffineDimExpr():
                key = ("coordinate", expr.position)
                known = self.nest.remembered(key)
                if known is not None:
                    return known
                value = self.nest.indices[expr.position]
                assert isinstance(value.type, IndexType)
                return self.nest.remember(key, b.insert(arith.IndexCastOp(value, i32)).result)
            case AffineConstantExpr():
                return scalars.constant(b, expr.value, i32)
            case AffineBinaryOpExpr():
                combine = scalars.add if expr.kind.get_token() == "+" else scalars.mul
                return combine(b, self.coordinate(expr.lhs), self.coordinate(expr.rhs))
            case _:
                raise ValueError(f"no coordinate for {expr}")
