"""Memory with static shapes: `memref` types, and the ops that read and write it.

In the host program:

* `buffer.view`         a part of a buffer, or of the arena, as a buffer of its own
* `buffer.copy`         copies one buffer to another of the same shape
* `buffer.fill`         sets every element
* `buffer.fill_border`  sets what lies around an interior view (a halo)

In kernels:

* `buffer.load`, `buffer.store`   one element
* `buffer.alloc`                  scratch of this kernel, one for each worker
* `buffer.to_tensor`, `buffer.materialize`   between memory and a body still in `nn` ops
"""

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    AffineMapAttr,
    FixedBitwidthType,
    FloatAttr,
    IndexType,
    IntAttr,
    IntegerAttr,
    MemRefType,
    StridedLayoutAttr,
    TensorType,
)
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    operand_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import MemoryAllocEffect, MemoryReadEffect, MemoryWriteEffect, Pure
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import FlatOp, op_definition
from nnc.dialects.subscript import Subscript, compact
from nnc.dialects.syntax import IntegerArray, Integers, array


def type_of(value: SSAValue) -> MemRefType[Attribute]:
    """The memref type of a buffer value."""
    return cast(MemRefType[Attribute], value.type)


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides in elements."""
    strides: list[int] = []
    size = 1
    for extent in reversed(shape):
        strides.insert(0, size)
        size *= extent
    return tuple(strides)


def strides_of(type: MemRefType[Attribute]) -> tuple[int, ...]:
    """Strides in elements; row-major unless the type has a strided layout."""
    if isinstance(type.layout, StridedLayoutAttr):
        return tuple(s.data for s in type.layout.strides if isinstance(s, IntAttr))
    return contiguous_strides(type.get_shape())


def element_bytes(type: Attribute) -> int:
    """Bytes of one element in memory; i1 takes one."""
    if not isinstance(type, FixedBitwidthType):
        raise ValueError(f"{type} has no size in memory")
    return max(1, type.bitwidth // 8)


def _verify_rank(name: str, buffer: SSAValue, map: AffineMap, indices: Sequence[SSAValue]) -> None:
    rank = type_of(buffer).get_num_dims()
    if len(map.results) != rank:
        raise VerifyException(f"{name}: {len(map.results)} subscripts for a buffer of rank {rank}")
    if map.num_dims != len(indices):
        raise VerifyException(
            f"{name}: the map has {map.num_dims} dimensions, given {len(indices)} index values"
        )


@op_definition
class ViewOp(FlatOp):
    """`output[i] = source[offset + i * strides]`: a part of a buffer, sharing its memory.

    The subscript is the first element's; a view of the arena (`memref<…xi8>`) starts at a byte.
    Strides of the output's type are in its own elements.
    """

    name = "buffer.view"
    source = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    map = prop_def(AffineMapAttr)
    output = result_def(MemRefType)
    traits = traits_def(Pure())
    custom_directives = (Subscript,)
    assembly_format = (
        "$source custom<Subscript>($indices, $map) attr-dict `:` type($source) `to` type($output)"
    )

    def __init__(
        self, source: SSAValue, indices: Sequence[SSAValue], map: AffineMap, type: Attribute
    ):
        map, indices = compact(map, indices)
        super().__init__([source, *indices], [type], {"map": AffineMapAttr(map)})

    def verify_(self) -> None:
        _verify_rank(self.name, self.source, self.map.data, self.indices)


def root(value: SSAValue) -> SSAValue:
    """The buffer that a chain of views starts from."""
    while isinstance(value.owner, ViewOp):
        value = value.owner.source
    return value


@op_definition
class CopyOp(FlatOp):
    """`target[i] = source[i]` for buffers of one shape."""

    name = "buffer.copy"
    source = operand_def(MemRefType)
    target = operand_def(MemRefType)
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())
    assembly_format = "$source `to` $target attr-dict `:` type($source) `to` type($target)"

    def __init__(self, source: SSAValue, target: SSAValue):
        super().__init__([source, target])

    def verify_(self) -> None:
        source, target = type_of(self.source), type_of(self.target)
        if source.get_shape() != target.get_shape() or source.element_type != target.element_type:
            raise VerifyException(f"buffer.copy: {source} does not fit into {target}")


@op_definition
class FillOp(FlatOp):
    """`target[i] = value`."""

    name = "buffer.fill"
    target = operand_def(MemRefType)
    value = prop_def(FloatAttr | IntegerAttr)
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "$target `with` $value attr-dict `:` type($target)"

    def __init__(self, target: SSAValue, value: FloatAttr | IntegerAttr):
        super().__init__(operands=[target], properties={"value": value})


@op_definition
class FillBorderOp(FlatOp):
    """Sets the elements of `target` outside of `[low, shape - high)` in each dimension."""

    name = "buffer.fill_border"
    target = operand_def(MemRefType)
    value = prop_def(FloatAttr | IntegerAttr)
    low = prop_def(IntegerArray)
    high = prop_def(IntegerArray)
    traits = traits_def(MemoryWriteEffect())
    custom_directives = (Integers,)
    assembly_format = (
        "$target `low` custom<Integers>($low) `high` custom<Integers>($high) `with` $value "
        "attr-dict `:` type($target)"
    )

    def __init__(
        self,
        target: SSAValue,
        low: Sequence[int],
        high: Sequence[int],
        value: FloatAttr | IntegerAttr,
    ):
        super().__init__(
            operands=[target],
            properties={
                "value": value,
                "low": array(low),
                "high": array(high),
            },
        )

    def verify_(self) -> None:
        rank = type_of(self.target).get_num_dims()
        if len(self.low) != rank or len(self.high) != rank:
            raise VerifyException(f"buffer.fill_border: low and high need {rank} sizes each")


@op_definition
class LoadOp(FlatOp):
    """`buffer[subscript]`, one element."""

    name = "buffer.load"
    buffer = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    map = prop_def(AffineMapAttr)
    output = result_def()
    traits = traits_def(MemoryReadEffect())
    custom_directives = (Subscript,)
    assembly_format = (
        "$buffer custom<Subscript>($indices, $map) attr-dict `:` type($buffer) `->` type($output)"
    )

    def __init__(self, buffer: SSAValue, indices: Sequence[SSAValue], map: AffineMap):
        map, indices = compact(map, indices)
        element = type_of(buffer).element_type
        super().__init__([buffer, *indices], [element], {"map": AffineMapAttr(map)})

    def verify_(self) -> None:
        _verify_rank(self.name, self.buffer, self.map.data, self.indices)
        if self.output.type != type_of(self.buffer).element_type:
            raise VerifyException(
                f"buffer.load: an element is {type_of(self.buffer).element_type}, "
                f"given {self.output.type}"
            )


@op_definition
class StoreOp(FlatOp):
    """`buffer[subscript] = value`, one element."""

    name = "buffer.store"
    value = operand_def()
    buffer = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    map = prop_def(AffineMapAttr)
    traits = traits_def(MemoryWriteEffect())
    custom_directives = (Subscript,)
    assembly_format = (
        "$value `,` $buffer custom<Subscript>($indices, $map) attr-dict "
        "`:` type($value) `to` type($buffer)"
    )

    def __init__(
        self, value: SSAValue, buffer: SSAValue, indices: Sequence[SSAValue], map: AffineMap
    ):
        map, indices = compact(map, indices)
        super().__init__([value, buffer, *indices], properties={"map": AffineMapAttr(map)})

    def verify_(self) -> None:
        _verify_rank(self.name, self.buffer, self.map.data, self.indices)
        if self.value.type != type_of(self.buffer).element_type:
            raise VerifyException(
                f"buffer.store: an element is {type_of(self.buffer).element_type}, "
                f"given {self.value.type}"
            )


@op_definition
class AllocOp(FlatOp):
    """Scratch of the enclosing kernel, uninitialised, one for each worker (CUDA: each block)."""

    name = "buffer.alloc"
    output = result_def(MemRefType)
    traits = traits_def(MemoryAllocEffect())
    assembly_format = "attr-dict `:` type($output)"

    def __init__(self, type: Attribute):
        super().__init__(result_types=[type])


@op_definition
class ToTensorOp(FlatOp):
    """The tensor a buffer holds when the kernel starts."""

    name = "buffer.to_tensor"
    source = operand_def(MemRefType)
    output = result_def(TensorType)
    traits = traits_def(MemoryReadEffect())
    assembly_format = "$source attr-dict `:` type($source) `to` type($output)"

    def __init__(self, source: SSAValue):
        type = type_of(source)
        super().__init__([source], [TensorType(type.element_type, type.get_shape())])


@op_definition
class MaterializeOp(FlatOp):
    """The buffer holds the tensor when the kernel ends."""

    name = "buffer.materialize"
    source = operand_def(TensorType)
    target = operand_def(MemRefType)
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "$source `in` $target attr-dict `:` type($source) `in` type($target)"

    def __init__(self, source: SSAValue, target: SSAValue):
        super().__init__([source, target])


Buffer = Dialect(
    "buffer",
    [
        ViewOp,
        CopyOp,
        FillOp,
        FillBorderOp,
        LoadOp,
        StoreOp,
        AllocOp,
        ToTensorOp,
        MaterializeOp,
    ],
    [],
)
