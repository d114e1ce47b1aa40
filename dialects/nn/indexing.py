"""Ops whose elements depend on where they are, or on indices that are data.

* `nn.iota`          the position along an axis
* `nn.one_hot`       1 where the last coordinate is the index, else 0
* `nn.gather`        takes along an axis
* `nn.scatter_add`   adds to where `nn.gather` would take from: its adjoint

An index that does not exist means the nearest that does.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import cast as cast_to

from xdsl.builder import Builder
from xdsl.dialects.builtin import I64, IntegerAttr, TensorType, f32, i32, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import operand_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from nnc.dialects import scalars
from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Access, Cotangents, Differentiable, Domain, Structured
from nnc.dialects.nn.base import GraphOp, ScalarIndex, countable, element_of, insert, shape_of
from nnc.dialects.nn.elementwise import cast
from nnc.dialects.nn.shape import check_axis
from nnc.dialects.syntax import IntegerArray, Shape, array, integers


def check_indices(name: str, indices: Attribute, size: int | None = None) -> None:
    """Raises unless the elements are i32 or i64, and can name each of `size` positions."""
    if element_of(indices) not in (i32, i64):
        raise VerifyException(f"{name}: indices must be i32 or i64, given {indices}")
    if size == 0 and prod(shape_of(indices)):
        raise VerifyException(
            f"{name}: the axis that indices count along has no elements, given {indices}"
        )
    if size and element_of(indices) == i32:
        countable(name, "the axis that indices of i32 count along", size)


@op_definition
class IotaOp(GraphOp, Structured):
    """`output[i] = i[axis]`, as i32."""

    name = "nn.iota"
    shape = prop_def(IntegerArray)
    axis = prop_def(IntegerAttr[I64])
    output = result_def(TensorType)
    custom_directives = (Shape,)
    assembly_format = (
        "` ` `{` `axis` `=` $axis `}` attr-dict `:` custom<Shape>($shape, type($output))"
    )

    def __init__(self, shape: Sequence[int], axis: int):
        self.initialize([], {"shape": array(shape), "axis": IntegerAttr(axis, i64)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        shape = integers(cast_to(IntegerArray, properties["shape"]))
        axis = cast_to(IntegerAttr, properties["axis"]).value.data
        check_axis(cls.name, axis, len(shape))
        countable(cls.name, f"axis {axis}", shape[axis])
        return [TensorType(i32, shape)]

    def domain(self) -> Domain:
        return Domain(shape_of(self.output))

    def uses_index(self) -> bool:
        return True

    def accesses(self) -> Sequence[Access]:
        return []

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return [index(self.axis.value.data)]


@op_definition
class OneHotOp(GraphOp, Structured):
    """`output[i..., j] = indices[i...] == j`, as 1 or 0, for `j` below `size`."""

    name = "nn.one_hot"
    indices = operand_def(TensorType)
    size = prop_def(IntegerAttr[I64])
    element = prop_def(Attribute)
    output = result_def(TensorType)
    assembly_format = (
        "$indices `to` $element ` ` `{` `size` `=` $size `}` attr-dict "
        "`:` type($indices) `->` type($output)"
    )

    def __init__(self, indices: SSAValue, size: int, element: Attribute):
        self.initialize([indices], {"size": IntegerAttr(size, i64), "element": element})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        size = cast_to(IntegerAttr, properties["size"]).value.data
        check_indices(cls.name, operands[0])
        countable(cls.name, "the last axis", size)
        return [TensorType(properties["element"], (*shape_of(operands[0]), size))]

    def domain(self) -> Domain:
        return Domain(shape_of(self.output))

    def uses_index(self) -> bool:
        return True

    def accesses(self) -> Sequence[Access]:
        rank = len(shape_of(self.output))
        return [Access(AffineMap(rank, 0, AffineMap.identity(rank).results[:-1]))]

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        wanted = arguments[0]
        last = scalars.convert(
            b, index(len(shape_of(self.indices))), scalars.element_type(wanted.type)
        )
        hit = scalars.compare(b, "eq", wanted, last)
        return [scalars.convert(b, hit, self.element)]


class Indexed(GraphOp, Differentiable):
    """An op with indices into one axis.

    The first `batch_dims` axes of all tensors are the same; the others of `indices` replace `axis`.
    """

    axis = prop_def(IntegerAttr[I64])
    batch_dims = prop_def(IntegerAttr[I64])

    @property
    def indexed_axis(self) -> int:
        """The axis that the indices count along."""
        return self.axis.value.data

    @property
    def batches(self) -> int:
        """How many leading axes all tensors share."""
        return self.batch_dims.value.data

    @classmethod
    def replacing(
        cls, before: Sequence[int], indices: Attribute, properties: Mapping[str, Attribute]
    ) -> tuple[int, ...]:
        """The axes that stand for `axis`, given the sizes of those before it; checked."""
        batches = cast_to(IntegerAttr, properties["batch_dims"]).value.data
        sizes = shape_of(indices)
        check_indices(cls.name, indices)
        if not 0 <= batches <= min(len(before), len(sizes)):
            raise VerifyException(
                f"{cls.name}: expected batch_dims from 0 to the axis, {len(before)}, and to the "
                f"rank of the indices, {len(sizes)}, given {batches}"
            )
        if tuple(before[:batches]) != sizes[:batches]:
            raise VerifyException(
                f"{cls.name}: the first {batches} sizes of both operands must be equal, "
                f"given {list(before[:batches])} and {list(sizes[:batches])}"
            )
        return sizes[batches:]


def _settings(axis: int | None, batch_dims: int) -> dict[str, Attribute | None]:
    return {
        "axis": IntegerAttr(batch_dims if axis is None else axis, i64),
        "batch_dims": IntegerAttr(batch_dims, i64),
    }


@op_definition
class GatherOp(Indexed):
    """`output[b..., m..., i..., r...] = table[b..., m..., indices[b..., i...], r...]`.

    `b...` are the `batch_dims` first axes, the index counts along `axis`, the next after `m...`.
    """

    name = "nn.gather"
    table = operand_def(TensorType)
    indices = operand_def(TensorType)
    output = result_def(TensorType)
    assembly_format = (
        "$table `,` $indices ` ` `{` `axis` `=` $axis `,` `batch_dims` `=` $batch_dims `}` "
        "attr-dict `:` functional-type(operands, $output)"
    )

    def __init__(
        self, table: SSAValue, indices: SSAValue, axis: int | None = None, batch_dims: int = 0
    ):
        self.initialize([table, indices], _settings(axis, batch_dims))

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        table, indices = operands
        shape, axis = shape_of(table), cast_to(IntegerAttr, properties["axis"]).value.data
        check_axis(cls.name, axis, len(shape))
        taken = cls.replacing(shape[:axis], indices, properties)
        check_indices(cls.name, indices, shape[axis])
        return [TensorType(element_of(table), (*shape[:axis], *taken, *shape[axis + 1 :]))]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        if not needed[0]:
            return [None, None]
        axis = self.indexed_axis
        size = shape_of(self.table)[axis]
        return [scatter_add(b, grads[0], self.indices, size, axis, self.batches), None]


def scatter_add(
    b: Builder, updates: SSAValue, indices: SSAValue, size: int, axis: int, batch_dims: int
) -> SSAValue:
    """`nn.scatter_add`, of half precision summed in f32."""
    element = element_of(updates)
    wide = cast(b, updates, f32) if scalars.is_half(element) else updates
    return cast(b, insert(b, ScatterAddOp(wide, indices, size, axis, batch_dims)), element)


@op_definition
class ScatterAddOp(Indexed):
    """`output[b..., m..., indices[b..., i...], r...] += updates[b..., m..., i..., r...]`.

    From zeros, with an axis of length `size` in the place of `i...`, in the order of the updates.
    """

    name = "nn.scatter_add"
    updates = operand_def(TensorType)
    indices = operand_def(TensorType)
    size = prop_def(IntegerAttr[I64])
    output = result_def(TensorType)
    assembly_format = (
        "$updates `,` $indices ` ` `{` `size` `=` $size `,` `axis` `=` $axis `,` "
        "`batch_dims` `=` $batch_dims `}` attr-dict `:` functional-type(operands, $output)"
    )

    def __init__(
        self,
        updates: SSAValue,
        indices: SSAValue,
        size: int,
        axis: int | None = None,
        batch_dims: int = 0,
    ):
        properties = {"size": IntegerAttr(size, i64), **_settings(axis, batch_dims)}
        self.initialize([updates, indices], properties)

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        updates, indices = operands
        shape, axis = shape_of(updates), cast_to(IntegerAttr, properties["axis"]).value.data
        if not 0 <= axis <= len(shape):
            raise VerifyException(f"{cls.name}: there is no axis {axis} before or after {updates}")
        taken = cls.replacing(shape[:axis], indices, properties)
        rest = axis + len(taken)
        if shape[axis:rest] != taken:
            raise VerifyException(
                f"{cls.name}: from axis {axis} on, the updates must have the sizes {list(taken)} "
                f"of the indices, given {updates}"
            )
        size = cast_to(IntegerAttr, properties["size"]).value.data
        check_indices(cls.name, indices, size)
        return [TensorType(element_of(updates), (*shape[:axis], size, *shape[rest:]))]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        if not needed[0]:
            return [None, None]
        taken = GatherOp(grads[0], self.indices, self.indexed_axis, self.batches)
        return [insert(b, taken), None]
