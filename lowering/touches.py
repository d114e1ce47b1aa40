"""Where a kernel touches a buffer: every load and store, as boxes of affine subscripts.

A touch stands at a path of loops and positions; its subscript in each dimension is
`constant + Σ coefficient * counter`, plus a width for the elements of a tile. Micro-kernels are
looked through: their subscripts are added to those of the call. So are views of the whole buffer,
whose subscripts compare with each other.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xdsl.ir import Block, Operation, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

from nnc.dialects import buffer, kernel, loop, tile
from nnc.dialects.buffer import root
from nnc.dialects.syntax import integers


@dataclass(frozen=True)
class Subscript:
    """One dimension of an access."""

    constant: int = 0
    terms: Mapping[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    width: int = 1

    def __add__(self, other: "Subscript") -> "Subscript":
        terms = dict(self.terms)
        for counter, coefficient in other.terms.items():
            terms[counter] = terms.get(counter, 0) + coefficient
        kept = {counter: c for counter, c in terms.items() if c}
        return Subscript(self.constant + other.constant, kept, self.width + other.width - 1)

    def __mul__(self, factor: int) -> "Subscript":
        terms = {counter: c * factor for counter, c in self.terms.items() if factor}
        return Subscript(self.constant * factor, terms)


@dataclass(frozen=True)
class Step:
    """One level of the way from the kernel to a touch."""

    op: Operation
    position: int
    """Where the op stands in its block."""


@dataclass(frozen=True)
class Touch:
    """A load or store of the buffer."""

    op: Operation
    writes: bool
    path: tuple[Step, ...]
    buffer: SSAValue
    """What is subscripted: the buffer, or a view of it."""
    subscripts: tuple[Subscript, ...] | None
    """None where a subscript is not linear."""


Kernels = Mapping[str, kernel.FuncOp]
Access = buffer.LoadOp | buffer.StoreOp | tile.LoadOp | tile.StoreOp


def touches(
    block: Block, targets: Collection[SSAValue], kernels: Kernels, path: tuple[Step, ...] = ()
) -> Iterator[Touch]:
    """The touches of some buffers in a block, in program order; `kernels` are those it calls."""
    for position, op in enumerate(block.ops):
        match op:
            case buffer.LoadOp() | buffer.StoreOp() | tile.LoadOp() | tile.StoreOp():
                if root(op.buffer) in targets:
                    yield touch(op, (*path, Step(op, position)))
            case kernel.CallOp():
                yield from called(op, targets, kernels, (*path, Step(op, position)))
            case _:
                for region in op.regions:
                    for inner in region.blocks:
                        yield from touches(inner, targets, kernels, (*path, Step(op, position)))


def touch(op: Access, path: tuple[Step, ...]) -> Touch:
    """What one access touches; a view that moves says nothing of where it is."""
    writes = isinstance(op, buffer.StoreOp | tile.StoreOp)
    return Touch(op, writes, path, op.buffer, None if moves(op.buffer) else subscripts_of(op))


def moves(value: SSAValue) -> bool:
    """Whether a buffer is a view that depends on where it is made."""
    op = value.owner
    return isinstance(op, buffer.ViewOp) and (bool(op.indices) or moves(op.source))


def called(
    op: kernel.CallOp, targets: Collection[SSAValue], kernels: Kernels, path: tuple[Step, ...]
) -> Iterator[Touch]:
    """The touches in a micro-kernel, in terms of the caller's counters too."""
    function = kernels[op.callee.string_value()]
    passed: dict[SSAValue, tuple[SSAValue, AffineMap]] = {
        parameter: (given, map.data)
        for given, map, parameter in zip(op.buffers, op.maps, function.block.args, strict=True)
        if root(given) in targets
    }
    for inner in touches(function.block, passed, kernels, path) if passed else ():
        given, map = passed[root(inner.buffer)]
        base, within = linear_map(map, op.indices), inner.subscripts
        if base is None or within is None or inner.buffer not in passed or moves(given):
            yield replace(inner, buffer=given, subscripts=None)
        else:
            both = tuple(a + b for a, b in zip(base, within, strict=True))
            yield replace(inner, buffer=given, subscripts=both)


def subscripts_of(op: Access) -> tuple[Subscript, ...] | None:
    """The box of elements that an access touches."""
    base = linear_map(op.map.data, op.indices)
    if base is None or isinstance(op, buffer.LoadOp | buffer.StoreOp):
        return base
    value = op.output if isinstance(op, tile.LoadOp) else op.value
    extent = integers(op.extent) or tile.tile_type(value).get_shape()
    boxes = list(base)
    for d, width in zip(integers(op.along), extent, strict=True):
        boxes[d] = boxes[d] + Subscript(width=width)
    return tuple(boxes)


def linear_map(map: AffineMap, indices: Sequence[SSAValue]) -> tuple[Subscript, ...] | None:
    """The map as sums of products; None where it is not linear."""
    found = [linear(expr, indices) for expr in map.results]
    kept = tuple(one for one in found if one is not None)
    return kept if len(kept) == len(found) else None


def linear(expr: AffineExpr, indices: Sequence[SSAValue]) -> Subscript | None:
    match expr:
        case AffineConstantExpr():
            return Subscript(expr.value)
        case AffineDimExpr():
            return Subscript(0, {indices[expr.position]: 1})
        case AffineBinaryOpExpr(kind=AffineBinaryOpKind.Add):
            lhs, rhs = linear(expr.lhs, indices), linear(expr.rhs, indices)
            return None if lhs is None or rhs is None else lhs + rhs
        case AffineBinaryOpExpr(kind=AffineBinaryOpKind.Mul, rhs=AffineConstantExpr(value=factor)):
            lhs = linear(expr.lhs, indices)
            return None if lhs is None else lhs * factor
        case _:
            return None


def count_of(counter: SSAValue) -> int:
    """How many values a loop counter takes."""
    body = counter.owner
    assert isinstance(body, Block)
    match body.parent_op():
        case loop.ForOp() as op:
            return op.count.data
        case loop.ParallelOp() as op:
            return op.sizes[body.args.index(counter)]
        case other:
            raise AssertionError(f"{other} has no counter")
