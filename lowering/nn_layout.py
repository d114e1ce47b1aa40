"""`nn-layout`: parameters are stored as the kernels want to read them.

* The weight of a dense layer, `matmul x, w {transpose_rhs}`, is stored `[in, out]`: its argument
  gets the type of what is in memory and `nnc.layout = [1, 0]`, and so does its optimizer state.
  Transposes keep the program's meaning; `nn-canonicalize` folds them away. The layout depends on
  the role alone, so that all programs agree on it.
* Zeros around images are written out: `nn.conv` of a padded image becomes `nn.pad` and a
  convolution without padding, so that what makes the image can write into a halo. Likewise in the
  kernels' gradient; the images' gradient of stride 1 gets a halo that makes its guards vanish.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, TensorType
from xdsl.ir import Operation, SSAValue, Use
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.convolution import (
    ConvInputGradOp,
    Convolution,
    ConvOp,
    ConvWeightGradOp,
)
from nnc.dialects.nn.elementwise import CastOp
from nnc.dialects.nn.reverse import at
from nnc.dialects.nn.shape import PadOp, TransposeOp
from nnc.dialects.syntax import array, integers
from nnc.lowering.program import Program, Result, blocks

SWAPPED = (1, 0)


@dataclass(frozen=True)
class NnLayoutPass(ModulePass):
    """Stores dense weights `[in, out]`, gives convolutions their halo."""

    name = "nn-layout"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        program = Program.of(op)
        swap(program, swapped_arguments(program))
        for block in blocks(program.block):
            for convolution in [o for o in block.ops if isinstance(o, Convolution)]:
                pad_explicitly(convolution)


def swapped_arguments(program: Program) -> list[int]:
    """The dense weights, and the states that belong to them."""
    arguments = range(len(program.block.args))
    weights = {
        program.name(i)
        for i in arguments
        if program.role(i) == "parameter"
        and program.layout(i) is None
        and is_dense_weight(program.block.args[i])
    }
    return [
        i
        for i in arguments
        if program.name(i) in weights
        or (program.role(i) == "state" and program.name(i).partition(":")[2] in weights)
    ]


def is_dense_weight(value: SSAValue) -> bool:
    """Whether a matmul reads the value, or its cast, transposed from the right."""
    return len(shape_of(value)) == 2 and any(
        is_dense_weight(use.operation.output)
        if isinstance(use.operation, CastOp)
        else isinstance(use.operation, MatmulOp)
        and use.index == 1
        and use.operation.transpose_rhs is not None
        for use in value.uses
    )


def swap(program: Program, arguments: Sequence[int]) -> None:
    """Stores matrices, and what replaces them, transposed."""
    b = Builder(InsertPoint.at_start(program.block))
    attributes = [dict(program.attributes(i)) for i in range(len(program.block.args))]
    for argument in arguments:
        old = program.block.args[argument]
        rows, columns = shape_of(old)
        type = TensorType(element_of(old), [columns, rows])
        stored = Rewriter.replace_value_with_new_type(old, type)
        logical = b.insert(TransposeOp(stored, SWAPPED))
        stored.replace_uses_with_if(logical.output, partial(is_not, logical))
        attributes[argument]["nnc.layout"] = array(SWAPPED)
    program.set_attributes(attributes)
    end = program.builder()
    program.set_results(
        [
            Result(insert(end, TransposeOp(result.value, SWAPPED)), tied=result.tied)
            if result.tied in arguments
            else result
            for result in program.results()
        ]
    )


def is_not(op: Operation, use: Use) -> bool:
    return use.operation is not op


def pad_explicitly(op: Convolution) -> None:
    """Writes the zeros that a convolution assumes around an operand into that operand."""
    windows = op.geometry.windows
    low, high = integers(op.low), integers(op.high)
    match op:
        case ConvOp() | ConvWeightGradOp() if any(low + high):
            replace(op, low, high, (), ())
        case ConvInputGradOp() if all(w.stride == 1 for w in windows):
            full = tuple((w.kernel - 1) * w.dilation for w in windows)
            before = [f - n for f, n in zip(full, low, strict=True)]
            after = [f - n for f, n in zip(full, high, strict=True)]
            if any(before + after) and min(before + after) >= 0:
                replace(op, before, after, full, full)
        case _:
            pass


def replace(
    op: Convolution,
    before: Sequence[int],
    after: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
) -> None:
    """Pads the spatial axes of the left operand, and leaves `low` and `high` to the convolution."""
    b = at(Builder(InsertPoint.before(op)), op)
    padded = insert(b, PadOp(op.lhs, (0, 0, *before), (0, 0, *after)))
    padded.name_hint = "padded"
    new = b.insert(
        type(op)(
            padded,
            op.rhs,
            strides=integers(op.strides),
            low=low,
            high=high,
            dilations=integers(op.dilations),
            groups=op.groups.value.data,
            size=size_of(op),
        )
    )
    Rewriter.replace_op(op, [], new.results)


def size_of(op: Operation) -> Sequence[int] | None:
    """The property `size` of the gradients."""
    size = op.properties.get("size")
    return integers(size) if isinstance(size, DenseArrayBase) else None
