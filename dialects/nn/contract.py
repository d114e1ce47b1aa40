"""Contractions: sums of products over the dimensions that the operands share.

* `nn.matmul`          batched matrix product
* `nn.packed_matmul`   product with a matrix stored as panels of columns, for inference

Convolutions are in `convolution.py`. All are bilinear; all but the packed product are closed under
differentiation. Products of half precision are summed in f32, and f32 is what they give.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import cast as cast_to

from xdsl.builder import Builder
from xdsl.dialects.builtin import I64, IntegerAttr, TensorType, UnitAttr, f32, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.irdl import (
    ParsePropInAttrDict,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from nnc.dialects import scalars
from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import (
    Access,
    Cotangents,
    Differentiable,
    Domain,
    Reduction,
    Structured,
)
from nnc.dialects.nn.base import GraphOp, ScalarIndex, element_of, insert, shape_of, tensor_of
from nnc.dialects.nn.elementwise import cast


class Product(GraphOp, Structured):
    """A sum of products of two operands of one element type."""

    lhs = operand_def(TensorType)
    rhs = operand_def(TensorType)
    output = result_def(TensorType)

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return [scalars.mul(b, *arguments)]

    def reductions(self) -> Sequence[Reduction]:
        return ("sum",)


class Contraction(Product, Differentiable):
    """A product whose gradients are contractions too."""

    @abstractmethod
    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        """The cotangent of `lhs`."""

    @abstractmethod
    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        """The cotangent of `rhs`."""

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        element = element_of(self.lhs)
        g = cast(b, grads[0], element)
        return [
            cast(b, self.left(b, g), element) if needed[0] else None,
            cast(b, self.right(b, g), element) if needed[1] else None,
        ]


def summed_in(operand: Attribute) -> Attribute:
    """The element type of sums of products: f32 for half precision."""
    element = element_of(operand)
    return f32 if scalars.is_half(element) else element


def same_elements(name: str, operands: Sequence[Attribute]) -> None:
    """Raises unless both operands have one element type."""
    lhs, rhs = map(element_of, operands)
    if lhs != rhs:
        raise VerifyException(f"{name}: operands must have one element type, given {lhs}, {rhs}")


@op_definition
class MatmulOp(Contraction):
    """`output[…, m, n] = sum_k lhs[…, m, k] * rhs[…, k, n]`, either operand transposed on reading.

    The leading dimensions are equal.
    """

    name = "nn.matmul"
    transpose_lhs = opt_prop_def(UnitAttr)
    transpose_rhs = opt_prop_def(UnitAttr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$lhs `,` $rhs attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        lhs: SSAValue,
        rhs: SSAValue,
        *,
        transpose_lhs: bool = False,
        transpose_rhs: bool = False,
    ):
        self.initialize(
            [lhs, rhs],
            {
                "transpose_lhs": UnitAttr() if transpose_lhs else None,
                "transpose_rhs": UnitAttr() if transpose_rhs else None,
            },
        )

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        same_elements(cls.name, operands)
        lhs, rhs = map(shape_of, operands)
        if len(lhs) < 2 or len(lhs) != len(rhs) or lhs[:-2] != rhs[:-2]:
            raise VerifyException(
                f"{cls.name}: operands must be matrices, or batches of them with equal leading "
                f"dimensions, given {operands[0]} and {operands[1]}"
            )
        m, k = reversed(lhs[-2:]) if "transpose_lhs" in properties else lhs[-2:]
        depth, n = reversed(rhs[-2:]) if "transpose_rhs" in properties else rhs[-2:]
        if k != depth:
            raise VerifyException(
                f"{cls.name}: the contracted dimensions differ: {k} in lhs {operands[0]}, "
                f"{depth} in rhs {operands[1]}"
            )
        return [tensor_of(summed_in(operands[0]), (*lhs[:-2], m, n))]

    def domain(self) -> Domain:
        depth = shape_of(self.lhs)[-2 if self.transpose_lhs else -1]
        return Domain(shape_of(self.output), (depth,))

    def accesses(self) -> Sequence[Access]:
        rank = len(shape_of(self.output)) + 1
        *batch, m, n, k = (AffineExpr.dimension(d) for d in range(rank))
        lhs = (k, m) if self.transpose_lhs else (m, k)
        rhs = (n, k) if self.transpose_rhs else (k, n)
        return [
            Access(AffineMap(rank, 0, (*batch, *lhs))),
            Access(AffineMap(rank, 0, (*batch, *rhs))),
        ]

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        rhs = self.transpose_rhs is not None
        if self.transpose_lhs:
            return insert(b, MatmulOp(self.rhs, g, transpose_lhs=rhs, transpose_rhs=True))
        return insert(b, MatmulOp(g, self.rhs, transpose_rhs=not rhs))

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        lhs = self.transpose_lhs is not None
        if self.transpose_rhs:
            return insert(b, MatmulOp(g, self.lhs, transpose_lhs=True, transpose_rhs=lhs))
        return insert(b, MatmulOp(self.lhs, g, transpose_lhs=not lhs))


@op_definition
class PackedMatmulOp(Product):
    """`output[m, n] = sum_k lhs[m, k] * rhs[n floordiv L, k, n mod L]` for `rhs: P x K x L`.

    The right matrix is stored as panels of L columns; what the last one has beyond `columns` is
    not read.
    """

    name = "nn.packed_matmul"
    columns = prop_def(IntegerAttr[I64])
    assembly_format = (
        "$lhs `,` $rhs ` ` `{` `columns` `=` $columns `}` attr-dict `:` "
        "functional-type(operands, results)"
    )

    def __init__(self, lhs: SSAValue, rhs: SSAValue, columns: int):
        self.initialize([lhs, rhs], {"columns": IntegerAttr(columns, i64)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        same_elements(cls.name, operands)
        lhs, rhs = map(shape_of, operands)
        if len(lhs) != 2 or len(rhs) != 3:
            raise VerifyException(
                f"{cls.name}: expected a matrix and a stack of panels, given {operands[0]} and "
                f"{operands[1]}"
            )
        if lhs[1] != rhs[1]:
            raise VerifyException(
                f"{cls.name}: the contracted dimensions differ: {lhs[1]} in lhs {operands[0]}, "
                f"{rhs[1]} in rhs {operands[1]}"
            )
        columns = cast_to(IntegerAttr[I64], properties["columns"]).value.data
        count, _, width = rhs
        if width == 0 or count != math.ceil(columns / width):
            raise VerifyException(
                f"{cls.name}: {columns} columns do not fill {count} panels of {width} up to the "
                "last"
            )
        return [tensor_of(summed_in(operands[0]), (lhs[0], columns))]

    def domain(self) -> Domain:
        return Domain(shape_of(self.output), (shape_of(self.lhs)[1],))

    def accesses(self) -> Sequence[Access]:
        m, n, k = (AffineExpr.dimension(d) for d in range(3))
        width = shape_of(self.rhs)[2]
        return [
            Access(AffineMap(3, 0, (m, k))),
            Access(AffineMap(3, 0, (n // width, k, n % width))),
        ]
