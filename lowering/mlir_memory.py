"""Buffers in `convert-to-mlir`: memrefs of any offset, and index arithmetic in `arith`."""

from collections.abc import Sequence
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    IndexType,
    IntegerAttr,
    MemRefType,
    NoneAttr,
    StridedLayoutAttr,
)
from xdsl.ir import Attribute, BlockArgument, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

from nnc.dialects import arith, buffer

Buffer = MemRefType[Attribute]


def converted(type: Attribute) -> Attribute:
    """A buffer that may start anywhere in its allocation."""
    if not isinstance(type, MemRefType):
        return type
    layout = StridedLayoutAttr(buffer.strides_of(type), None)
    return MemRefType(type.element_type, type.get_shape(), layout)


def passed(value: SSAValue) -> Attribute:
    """The type of an argument; the arena starts where it does."""
    return value.type if is_arena(value) else converted(value.type)


def is_arena(value: SSAValue) -> bool:
    """Whether the value is the program's memory: bytes in one piece, with views of other types."""
    if not isinstance(value, BlockArgument):
        return False
    function = value.owner.parent_op()
    if not isinstance(function, func.FuncOp) or function.arg_attrs is None:
        return False
    return "nnc.arena" in function.arg_attrs.data[value.index].data


def index_constant(b: Builder, value: int) -> SSAValue:
    return b.insert(arith.ConstantOp(IntegerAttr(value, IndexType()))).result


def index_value(b: Builder, expr: AffineExpr, indices: Sequence[SSAValue]) -> SSAValue:
    """An affine expression of index values, computed."""
    match expr:
        case AffineDimExpr():
            return indices[expr.position]
        case AffineConstantExpr():
            return index_constant(b, expr.value)
        case AffineBinaryOpExpr():
            left, right = (index_value(b, side, indices) for side in (expr.lhs, expr.rhs))
            return _binary(b, expr.kind, left, right)
        case _:
            raise ValueError(f"a subscript has no symbols: {expr}")


def _binary(b: Builder, kind: AffineBinaryOpKind, left: SSAValue, right: SSAValue) -> SSAValue:
    match kind:
        case AffineBinaryOpKind.Add:
            return b.insert(arith.AddiOp(left, right)).result
        case AffineBinaryOpKind.Mul:
            return b.insert(arith.MuliOp(left, right)).result
        case AffineBinaryOpKind.FloorDiv:
            return b.insert(arith.FloorDivSIOp(left, right)).result
        case AffineBinaryOpKind.CeilDiv:
            return b.insert(arith.CeilDivSIOp(left, right)).result
        case AffineBinaryOpKind.Mod:
            whole = b.insert(arith.FloorDivSIOp(left, right)).result
            return b.insert(arith.SubiOp(left, b.insert(arith.MuliOp(whole, right)).result)).result


class Memory:
    """Writes accesses, given the memref that stands for each buffer."""

    def __init__(self, builder: Builder, values: dict[SSAValue, SSAValue]):
        self.builder = builder
        self.values = values

    def indices(self, map: AffineMap, indices: Sequence[SSAValue]) -> list[SSAValue]:
        """The subscripts of an access."""
        new = [self.values[value] for value in indices]
        return [index_value(self.builder, expr, new) for expr in map.results]

    def part(
        self, source: SSAValue, map: AffineMap, indices: Sequence[SSAValue], type: Attribute
    ) -> SSAValue:
        """A buffer of `type` whose first element is at the subscript of `source`."""
        target, old = converted(type), buffer.type_of(source)
        assert isinstance(target, MemRefType)
        whole = not indices and not any(_is_nonzero(e) for e in map.results)
        if whole and passed(source) == target:
            return self.values[source]
        subscript = self.indices(map, indices)
        if is_arena(source):
            return self._of_arena(self.values[source], subscript[0], cast(Buffer, type))
        return self._reinterpreted(self.values[source], old, subscript, target)

    def _of_arena(self, arena: SSAValue, byte: SSAValue, type: Buffer) -> SSAValue:
        plain = MemRefType(type.element_type, type.get_shape())
        view = self.builder.insert(memref.ViewOp(arena, byte, [], plain)).results[0]
        target = cast(Buffer, converted(type))
        if buffer.strides_of(type) == buffer.contiguous_strides(type.get_shape()):
            return self.builder.insert(memref.CastOp.get(view, target)).results[0]
        return self._reinterpreted(view, plain, [], target)

    def _reinterpreted(
        self, source: SSAValue, old: Buffer, subscript: Sequence[SSAValue], target: Buffer
    ) -> SSAValue:
        """The memory of `source`, from an element on, with the shape and strides of `target`."""
        b = self.builder
        metadata = b.insert(memref.ExtractStridedMetaDataOp(source))
        offset: SSAValue = metadata.offset
        for index, stride in zip(subscript, buffer.strides_of(old), strict=False):
            step = b.insert(arith.MuliOp(index, index_constant(b, stride))).result
            offset = b.insert(arith.AddiOp(offset, step)).result
        cast_op = memref.ReinterpretCastOp(
            metadata.base_buffer, [offset], [], [], [DYNAMIC_INDEX], target.get_shape(),
            buffer.strides_of(target), target,
        )  # fmt: skip
        return b.insert(cast_op).results[0]

    def load(self, op: buffer.LoadOp) -> None:
        subscript = self.indices(op.map.data, op.indices)
        loaded = memref.LoadOp.get(self.values[op.buffer], subscript)
        self.values[op.output] = self.builder.insert(loaded).results[0]

    def store(self, op: buffer.StoreOp) -> None:
        value, target = self.values[op.value], self.values[op.buffer]
        self.builder.insert(
            memref.StoreOp.get(value, target, self.indices(op.map.data, op.indices))
        )

    def alloc(self, op: buffer.AllocOp) -> None:
        type = buffer.type_of(op.output)
        plain = memref.AllocOp([], [], MemRefType(type.element_type, type.get_shape(), NoneAttr()))
        new = self.builder.insert(plain).results[0]
        cast_op = memref.CastOp.get(new, cast(Buffer, converted(type)))
        self.values[op.output] = self.builder.insert(cast_op).results[0]

    def copy(self, op: buffer.CopyOp) -> None:
        self.builder.insert(memref.CopyOp(self.values[op.source], self.values[op.target]))


def _is_nonzero(expr: AffineExpr) -> bool:
    return not (isinstance(expr, AffineConstantExpr) and expr.value == 0)
