"""Attention: meaning, masks, rows without keys, gradients."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.dialects.nn.attention import AttentionOp

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[..., None]
Evaluate = Callable[..., list[Array]]
SCALE = 0.7


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def attended(query: Array, key: Array, value: Array, hidden: Array, mask: Array) -> Array:
    """One query and key at a time."""
    output = np.zeros((*query.shape[:-1], value.shape[-1]))
    for at in np.ndindex(query.shape[:-1]):
        *batch, row = at
        keys = [t for t in range(key.shape[-2]) if not hidden[row, t]]
        seen = [SCALE * query[at] @ key[*batch, t] + mask[*at, t] for t in keys]
        powers = np.exp(np.subtract(seen, max(seen, default=0)))
        for t, power in zip(keys, powers, strict=True):
            output[at] += power / powers.sum() * value[*batch, t]
    return output


def none_hidden(queries: int, keys: int) -> Array:
    return np.zeros((queries, keys), bool)


def later_hidden(queries: int, keys: int) -> Array:
    """The last query sees all keys."""
    return ~np.tri(queries, keys, keys - queries, dtype=bool)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("queries", "keys"), [(3, 3), (2, 4), (4, 2), (1, 3)])
def test_attention(queries: int, keys: int, causal: bool, evaluate: Evaluate) -> None:
    q, k, v = draw(0, 2, queries, 3), draw(1, 2, keys, 3), draw(2, 2, keys, 4)
    (y, log_sum) = evaluate(partial(AttentionOp, scale=SCALE, causal=causal), q, k, v)
    hidden = (later_hidden if causal else none_hidden)(queries, keys)
    expected = attended(q, k, v, hidden, np.zeros((2, queries, keys)))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14)
    powers = np.where(hidden, 0, np.exp(SCALE * q @ k.swapaxes(1, 2))).sum(-1)
    seen = powers > 0
    np.testing.assert_allclose(log_sum[seen], np.log(powers[seen]), rtol=1e-12)
    assert (log_sum[~seen] == 0).all()


@pytest.mark.parametrize("shape", [(2, 2, 3, 4), (2, 1, 1, 4), (1, 2, 3, 1), (1, 1, 1, 1)])
def test_masks_are_broadcast(shape: tuple[int, ...], evaluate: Evaluate, gradcheck: Check) -> None:
    inputs = draw(0, 2, 2, 3, 2), draw(1, 2, 2, 4, 2), draw(2, 2, 2, 4, 3), draw(3, *shape)
    build = partial(AttentionOp, scale=SCALE)
    (y, _) = evaluate(build, *inputs)
    mask = np.broadcast_to(inputs[3], (2, 2, 3, 4))
    np.testing.assert_allclose(y, attended(*inputs[:3], none_hidden(3, 4), mask), rtol=1e-12)
    gradcheck(build, *inputs)


def test_a_query_without_keys_gives_zero(evaluate: Evaluate) -> None:
    """Very low scores are no reason to see nothing."""
    q, k, v = draw(0, 3, 2), draw(1, 4, 2), draw(2, 4, 2)
    mask = np.zeros((3, 4))
    mask[0], mask[1], mask[2, 1] = -np.inf, -1e9, -np.inf
    (y, log_sum) = evaluate(partial(AttentionOp, scale=SCALE), q, k, v, mask)
    np.testing.assert_array_equal(y[0], 0)
    assert log_sum[0] == 0
    low = attended(q[1:2], k, v, none_hidden(1, 4), mask[1:2])
    np.testing.assert_allclose(y[1:2], low, rtol=1e-6)


@pytest.mark.parametrize(("queries", "causal"), [(2, False), (2, True), (4, True)])
def test_gradients(queries: int, causal: bool, gradcheck: Check) -> None:
    """With four queries the first sees no key: nothing comes back from it."""
    inputs = draw(0, queries, 2), draw(1, 3, 2), draw(2, 3, 1)
    gradcheck(partial(AttentionOp, scale=SCALE, causal=causal), *inputs, order=2)


def test_a_value_that_is_all_operands(gradcheck: Check) -> None:
    def build(b: Builder, x: SSAValue) -> AttentionOp:
        return b.insert(AttentionOp(x, x, x, scale=SCALE))

    gradcheck(build, draw(0, 3, 2), order=2)
