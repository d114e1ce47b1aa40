"""Rules that move transposes to where they cost nothing.

    transpose of transpose                          one, or none
    matmul of a transpose                           the matmul's flag
    transpose of a matmul that has no other reader  the matmul of swapped operands
    f(transpose x, transpose y, …)                  transpose of f(x, y, …)
    transpose of f(…)                               f of transposes, where all of them cost nothing

An update of a parameter that is stored transposed thus works on what is stored.
"""

from collections.abc import Sequence
from typing import get_args

from xdsl.builder import Builder
from xdsl.ir import Operation, SSAValue

from nnc.dialects.nn.base import Binary, GraphOp, Unary, insert, shape_of, tensor_type
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.elementwise import CastOp, CompareOp, SelectOp
from nnc.dialects.nn.reduce import BroadcastOp
from nnc.dialects.nn.shape import TransposeOp
from nnc.dialects.optim.base import Update
from nnc.dialects.syntax import integers
from nnc.lowering.simplify_constants import splat

Permutation = tuple[int, ...]
Pointwise = Unary | Binary | CompareOp | SelectOp | CastOp | Update
POINTWISE = get_args(Pointwise)


def fold_transpose(b: Builder, op: TransposeOp) -> Sequence[SSAValue] | None:
    """The transpose of less, or what costs nothing instead of it."""
    permutation, source = integers(op.permutation), op.input.owner
    if permutation == tuple(range(len(permutation))):
        return [op.input]
    if isinstance(source, TransposeOp):
        inner = integers(source.permutation)
        return [insert(b, TransposeOp(source.input, [inner[axis] for axis in permutation]))]
    return [take(b, op.input, permutation)] if is_free(op.input, permutation) else None


def fold_matmul(b: Builder, op: MatmulOp) -> Sequence[SSAValue] | None:
    """The matmul that reads its operands as they are stored."""
    lhs, rhs = unswapped(op.lhs), unswapped(op.rhs)
    if lhs is None and rhs is None:
        return None
    product = MatmulOp(
        lhs or op.lhs,
        rhs or op.rhs,
        transpose_lhs=bool(op.transpose_lhs) != (lhs is not None),
        transpose_rhs=bool(op.transpose_rhs) != (rhs is not None),
    )
    return [insert(b, product)]


def unswapped(value: SSAValue) -> SSAValue | None:
    """What `value` is the matrix transpose of."""
    op = value.owner
    if isinstance(op, TransposeOp) and swaps_matrix(integers(op.permutation)):
        return op.input
    return None


def swaps_matrix(permutation: Permutation) -> bool:
    """Whether exactly the last two axes are exchanged."""
    rank = len(permutation)
    return rank > 1 and permutation == (*range(rank - 2), rank - 1, rank - 2)


def transpose_later(b: Builder, op: Pointwise) -> Sequence[SSAValue] | None:
    """Transposes of the results instead of the operands."""
    count = 2 + len(op.STATES) if isinstance(op, Update) else len(op.operands)
    tensors, rest = op.operands[:count], op.operands[count:]
    source = next((v.owner for v in tensors if isinstance(v.owner, TransposeOp)), None)
    if source is None:
        return None
    back, forth = source.inverse, integers(source.permutation)
    if not all(is_free(value, back) for value in tensors):
        return None
    new = b.insert(rebuilt(op, [*(take(b, value, back) for value in tensors), *rest]))
    return [insert(b, TransposeOp(result, forth)) for result in new.results]


def is_free(value: SSAValue, permutation: Permutation) -> bool:
    """Whether the transpose of `value` can be had without moving data."""
    op = value.owner
    match op:
        case TransposeOp():
            return op.inverse == permutation
        case ConstantOp():
            return op.splat is not None
        case BroadcastOp():
            moved = [permutation.index(axis) for axis in op.axes]
            return moved == sorted(moved)
        case MatmulOp():
            return swaps_matrix(permutation) and op.output.has_one_use()
        case Unary() | Binary() | CompareOp() | SelectOp() | CastOp():
            return op.results[0].has_one_use() and all(
                is_free(operand, permutation) for operand in op.operands
            )
        case _:
            return False


def take(b: Builder, value: SSAValue, permutation: Permutation) -> SSAValue:
    """The transpose of a value for which `is_free` holds."""
    op = value.owner
    shape = [shape_of(value)[axis] for axis in permutation]
    match op:
        case TransposeOp():
            return op.input
        case ConstantOp():
            known = splat(value)
            assert known is not None
            element = tensor_type(value).element_type
            return insert(b, ConstantOp(known, type(tensor_type(value))(element, shape)))
        case BroadcastOp():
            axes = [permutation.index(axis) for axis in op.axes]
            return insert(b, BroadcastOp(op.input, shape, axes))
        case MatmulOp():
            product = MatmulOp(
                op.rhs,
                op.lhs,
                transpose_lhs=not op.transpose_rhs,
                transpose_rhs=not op.transpose_lhs,
            )
            return insert(b, product)
        case _:
            assert isinstance(op, GraphOp)
            return insert(b, rebuilt(op, [take(b, o, permutation) for o in op.operands]))


def rebuilt(op: GraphOp, operands: Sequence[SSAValue]) -> Operation:
    """The op on other operands, its result types inferred again."""
    types = op.infer([operand.type for operand in operands], op.properties)
    return type(op).create(operands=operands, result_types=types, properties=op.properties.copy())
