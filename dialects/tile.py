"""Register tiles: one SSA value of 1-D or 2-D vector type, expanded only by the printer.

A 2-D tile `vector<6x64xf32>` is 6 rows of lanes; the last dimension is cut into the target's
native vectors. Arithmetic on tiles is `arith` and `math`.

* `tile.load`, `tile.store`   between memory and a tile
* `tile.fill`                 a scalar in every lane
* `tile.broadcast`            a 1-D tile along the rows or columns of a 2-D one
* `tile.outer`                `acc[i, j] + column[i] * row[j]`, fused
* `tile.reduce`               combines along one dimension, in a fixed order
* `tile.transpose`            exchanges rows and columns
* `tile.lanes`                0, 1, 2, … in the lanes
"""

from collections.abc import Sequence
from typing import ClassVar, cast

from xdsl.dialects.builtin import (
    AffineMapAttr,
    IndexType,
    MemRefType,
    StringAttr,
    VectorType,
)
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    VarConstraint,
    base,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect, Pure
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.arith import vector
from nnc.dialects.buffer import type_of
from nnc.dialects.flat import FlatOp, op_definition
from nnc.dialects.interfaces import Reduction
from nnc.dialects.subscript import Subscript, compact
from nnc.dialects.syntax import IntegerArray, Integers, array, integers


def tile_type(value: SSAValue) -> VectorType[Attribute]:
    """The vector type of a tile value."""
    return cast(VectorType[Attribute], value.type)


def _access(
    map: AffineMap, along: Sequence[int], extent: Sequence[int] | None
) -> dict[str, Attribute | None]:
    """The properties of a load or store."""
    limit = None if extent is None else array(extent)
    return {"map": AffineMapAttr(map), "along": array(along), "extent": limit}


def _verify_access(
    name: str, buffer: SSAValue, tile: SSAValue, map: AffineMap, along: IntegerArray,
    extent: IntegerArray | None,
) -> None:  # fmt: skip
    rank, shape = type_of(buffer).get_num_dims(), tile_type(tile).get_shape()
    if len(map.results) != rank:
        raise VerifyException(f"{name}: {len(map.results)} subscripts for a buffer of rank {rank}")
    if len(along) != len(shape):
        raise VerifyException(f"{name}: a tile of rank {len(shape)} needs as many dims in along")
    if any(not 0 <= d < rank for d in integers(along)):
        raise VerifyException(f"{name}: along must name dimensions of the buffer (rank {rank})")
    if extent is not None and any(
        not 0 < e <= s for e, s in zip(integers(extent), shape, strict=True)
    ):
        raise VerifyException(f"{name}: the extent must be within 1 and the tile's shape {shape}")


@op_definition
class LoadOp(FlatOp):
    """`tile[i, j] = buffer[subscript + i along dim a + j along dim b]`.

    With an `extent` only that many elements of each dimension are read; the others are 0.
    The last dimension is usually of stride 1; other strides are read one by one.
    """

    name = "tile.load"
    buffer = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    map = prop_def(AffineMapAttr)
    along = prop_def(IntegerArray)
    extent = opt_prop_def(IntegerArray)
    output = result_def(VectorType)
    traits = traits_def(MemoryReadEffect())
    custom_directives = (Subscript, Integers)
    assembly_format = (
        "$buffer custom<Subscript>($indices, $map) `along` custom<Integers>($along) "
        "(`extent` custom<Integers>($extent)^)? attr-dict `:` type($buffer) `->` type($output)"
    )

    def __init__(
        self,
        buffer: SSAValue,
        indices: Sequence[SSAValue],
        map: AffineMap,
        along: Sequence[int],
        shape: Sequence[int],
        extent: Sequence[int] | None = None,
    ):
        map, indices = compact(map, indices)
        super().__init__(
            [buffer, *indices],
            [vector(type_of(buffer).element_type, shape)],
            _access(map, along, extent),
        )

    def verify_(self) -> None:
        _verify_access(self.name, self.buffer, self.output, self.map.data, self.along, self.extent)


@op_definition
class StoreOp(FlatOp):
    """`buffer[subscript + i along dim a + j along dim b] = tile[i, j]`, within the extent."""

    name = "tile.store"
    value = operand_def(VectorType)
    buffer = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    map = prop_def(AffineMapAttr)
    along = prop_def(IntegerArray)
    extent = opt_prop_def(IntegerArray)
    traits = traits_def(MemoryWriteEffect())
    custom_directives = (Subscript, Integers)
    assembly_format = (
        "$value `,` $buffer custom<Subscript>($indices, $map) `along` custom<Integers>($along) "
        "(`extent` custom<Integers>($extent)^)? attr-dict `:` type($value) `to` type($buffer)"
    )

    def __init__(
        self,
        value: SSAValue,
        buffer: SSAValue,
        indices: Sequence[SSAValue],
        map: AffineMap,
        along: Sequence[int],
        extent: Sequence[int] | None = None,
    ):
        map, indices = compact(map, indices)
        super().__init__([value, buffer, *indices], properties=_access(map, along, extent))

    def verify_(self) -> None:
        _verify_access(self.name, self.buffer, self.value, self.map.data, self.along, self.extent)


@op_definition
class FillOp(FlatOp):
    """`tile[i, j] = scalar`."""

    name = "tile.fill"
    scalar = operand_def()
    output = result_def(VectorType)
    traits = traits_def(Pure())
    assembly_format = "$scalar attr-dict `:` type($scalar) `->` type($output)"

    def __init__(self, scalar: SSAValue, shape: Sequence[int]):
        super().__init__([scalar], [vector(scalar.type, shape)])

    def verify_(self) -> None:
        if tile_type(self.output).element_type != self.scalar.type:
            raise VerifyException(f"tile.fill: {self.scalar.type} does not fill {self.output.type}")


@op_definition
class BroadcastOp(FlatOp):
    """A 1-D tile repeated: dimension `dimension` of the output is the input's."""

    name = "tile.broadcast"
    input = operand_def(VectorType)
    dimension = prop_def(IntegerArray)
    output = result_def(VectorType)
    traits = traits_def(Pure())
    custom_directives = (Integers,)
    assembly_format = (
        "$input `along` custom<Integers>($dimension) attr-dict `:` type($input) `->` type($output)"
    )

    def __init__(self, input: SSAValue, dimension: int, shape: Sequence[int]):
        super().__init__(
            [input],
            [vector(tile_type(input).element_type, shape)],
            {"dimension": array([dimension])},
        )

    def verify_(self) -> None:
        (extent,) = tile_type(self.input).get_shape()
        shape = tile_type(self.output).get_shape()
        (dimension,) = integers(self.dimension)
        if not 0 <= dimension < len(shape) or shape[dimension] != extent:
            raise VerifyException(
                f"tile.broadcast: {extent} lanes do not fit dimension {dimension} "
                f"of {self.output.type}"
            )


@op_definition
class OuterOp(FlatOp):
    """`output[i, j] = accumulator[i, j] + column[i] * row[j]`, rounded once where there is FMA."""

    name = "tile.outer"
    column = operand_def(VectorType)
    row = operand_def(VectorType)
    TILE: ClassVar = VarConstraint("TILE", base(VectorType))
    accumulator = operand_def(TILE)
    output = result_def(TILE)
    traits = traits_def(Pure())
    assembly_format = (
        "$column `,` $row `,` $accumulator attr-dict "
        "`:` type($column) `,` type($row) `->` type($output)"
    )

    def __init__(self, column: SSAValue, row: SSAValue, accumulator: SSAValue):
        super().__init__([column, row, accumulator], [accumulator.type])

    def verify_(self) -> None:
        rows, columns = tile_type(self.output).get_shape()
        given = (tile_type(self.column).get_shape(), tile_type(self.row).get_shape())
        if given != ((rows,), (columns,)) or self.accumulator.type != self.output.type:
            raise VerifyException(
                f"tile.outer: a column of {rows} and a row of {columns} are expected, given {given}"
            )


@op_definition
class ReduceOp(FlatOp):
    """Combines along dimension `dimension`: halves are combined pairwise, in a fixed order."""

    name = "tile.reduce"
    kind = prop_def(StringAttr)
    input = operand_def(VectorType)
    dimension = prop_def(IntegerArray)
    output = result_def()
    traits = traits_def(Pure())
    custom_directives = (Integers,)
    assembly_format = (
        "$kind $input `along` custom<Integers>($dimension) attr-dict "
        "`:` type($input) `->` type($output)"
    )

    def __init__(self, kind: Reduction, input: SSAValue, dimension: int):
        type = tile_type(input)
        shape = [s for d, s in enumerate(type.get_shape()) if d != dimension]
        output = vector(type.element_type, shape) if shape else type.element_type
        properties = {"kind": StringAttr(kind), "dimension": array([dimension])}
        super().__init__([input], [output], properties)

    def verify_(self) -> None:
        if self.kind.data not in ("sum", "prod", "max", "min"):
            raise VerifyException(
                f"tile.reduce: unknown kind '{self.kind.data}', expected sum, prod, max or min"
            )


@op_definition
class TransposeOp(FlatOp):
    """`output[j, i] = input[i, j]`."""

    name = "tile.transpose"
    input = operand_def(VectorType)
    output = result_def(VectorType)
    traits = traits_def(Pure())
    assembly_format = "$input attr-dict `:` type($input) `->` type($output)"

    def __init__(self, input: SSAValue):
        rows, columns = tile_type(input).get_shape()
        super().__init__([input], [vector(tile_type(input).element_type, (columns, rows))])


@op_definition
class LanesOp(FlatOp):
    """`output[j] = j`, in i32."""

    name = "tile.lanes"
    output = result_def(VectorType)
    traits = traits_def(Pure())
    assembly_format = "attr-dict `:` type($output)"

    def __init__(self, type: VectorType[Attribute]):
        super().__init__(result_types=[type])


Tile = Dialect(
    "tile",
    [LoadOp, StoreOp, FillOp, BroadcastOp, OuterOp, ReduceOp, TransposeOp, LanesOp],
    [],
)
