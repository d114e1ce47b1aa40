"""The meaning of attention."""

import numpy as np
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)

from nnc.dialects.meaning.formulas import Array
from nnc.dialects.nn.attention import LOWEST, AttentionGradOp, AttentionOp


def scores(op: AttentionOp | AttentionGradOp, query: Array, key: Array, *mask: Array) -> Array:
    """Products of queries and keys; -inf where a key is hidden."""
    found = op.scale.value.data * np.einsum("...sd,...td->...st", query, key)
    if mask:
        found = found + mask[0]
    if op.causal is None:
        return found
    rows, columns = found.shape[-2:]
    return np.where(np.tri(rows, columns, columns - rows, dtype=bool), found, -np.inf)


@register_impls
class AttentionFunctions(InterpreterFunctions):
    """Whole rows of scores at once."""

    @impl(AttentionOp)
    def attention(
        self, interpreter: Interpreter, op: AttentionOp, args: PythonValues
    ) -> PythonValues:
        query, key, value, *mask = args
        s = scores(op, query, key, *mask)
        largest = np.max(s, -1, keepdims=True, initial=LOWEST)
        powers = np.exp(s - largest)
        total = np.sum(powers, -1, keepdims=True)
        seen = total != 0
        total = np.where(seen, total, 1)
        log_sum = np.where(seen, largest + np.log(total), 0)
        return (powers / total) @ value, log_sum[..., 0]

    @impl(AttentionGradOp)
    def attention_grad(
        self, interpreter: Interpreter, op: AttentionGradOp, args: PythonValues
    ) -> PythonValues:
        query, key, value, log_sum, delta, grad, *mask = args
        p = np.exp(scores(op, query, key, *mask) - log_sum[..., None])
        of_scores = op.scale.value.data * p * (np.einsum("...se,...te->...st", grad, value)
                                               - delta[..., None])  # fmt: skip
        turned, weights = np.swapaxes(of_scores, -1, -2), np.swapaxes(p, -1, -2)
        return of_scores @ key, turned @ query, weights @ grad
