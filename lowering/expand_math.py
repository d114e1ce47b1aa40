"""`expand-math`: f32 functions become polynomials in `arith` and `math.fma`.

Comes in: kernels of level 4. Goes out: the same without f32 `math.exp`, `expm1`, `log`,
`log1p`, `tanh`, `erf`, `sin`, `cos`, `atan` and `powf`. What a machine does in one instruction
(`sqrt`, `floor`, …) stays, and f64, the correctness mode, calls the C library.
"""

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import math
from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from nnc.dialects.scalars import element_type
from nnc.lowering import vector_math

EXPANSIONS: dict[type[Operation], Callable[..., SSAValue]] = {
    math.ExpOp: vector_math.exp,
    math.ExpM1Op: vector_math.expm1,
    math.LogOp: vector_math.log,
    math.Log1pOp: vector_math.log1p,
    math.TanhOp: vector_math.tanh,
    math.ErfOp: vector_math.erf,
    math.SinOp: vector_math.sin,
    math.CosOp: vector_math.cos,
    math.AtanOp: vector_math.atan,
    math.PowFOp: vector_math.power,
}
"""A builder and the operands in, the value of the result out."""


@dataclass(frozen=True)
class ExpandMathPass(ModulePass):
    """Replaces f32 functions by polynomials of stated error."""

    name = "expand-math"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in list(op.walk()):
            expansion = EXPANSIONS.get(type(inner))
            if expansion is not None and element_type(inner.results[0].type) == f32:
                value = expansion(Builder(InsertPoint.before(inner)), *inner.operands)
                Rewriter.replace_op(inner, [], [value])
