"""The meaning of normalization over rows."""

import numpy as np
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)

from nnc.dialects.meaning.formulas import Array, meaning
from nnc.dialects.nn import norms


def normalize_grad(op: norms.NormalizeGradOp, h: Array, rate: Array, g: Array) -> Array:
    axes = op.row_axes()
    along = h * np.mean(h * g, axes, keepdims=True)
    level = 0 if op.uncentered is not None else np.mean(g, axes, keepdims=True)
    return np.expand_dims(rate, axes) * (g - along - level)


@register_impls
class NormsFunctions(InterpreterFunctions):
    """One numpy formula per op."""

    normalize_grad = meaning(norms.NormalizeGradOp, normalize_grad)

    @impl(norms.NormalizeOp)
    def normalize(
        self, interpreter: Interpreter, op: norms.NormalizeOp, args: PythonValues
    ) -> PythonValues:
        (x,), axes = args, op.row_axes()
        center = 0 if op.uncentered is not None else np.mean(x, axes, keepdims=True)
        spread = np.sqrt(np.mean((x - center) ** 2, axes) + op.epsilon.value.data)
        return (x - center) / np.expand_dims(spread, axes), 1 / spread
