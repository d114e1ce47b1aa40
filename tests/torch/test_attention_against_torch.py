"""Attention and its gradients beside PyTorch's, compiled, in f64."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from nnc import autograd, nd
from nnc.arrays.array import NDArray
from nnc.gluon import nn

Array = np.ndarray[Any, np.dtype[Any]]


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def agree(ours: NDArray, theirs: torch.Tensor, x: list[NDArray], t: list[torch.Tensor]) -> None:
    """The results, and the gradients of the sum of their squares."""
    np.testing.assert_allclose(ours.asnumpy(), theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
    found = autograd.grad((ours * ours).sum(), x)
    expected = torch.autograd.grad((theirs**2).sum(), t)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.asnumpy(), b.numpy(), rtol=1e-9, atol=1e-11)


def both(*given: Array) -> tuple[list[NDArray], list[torch.Tensor]]:
    """The arrays as leaves here and there."""
    ours = [nd.array(x, dtype="float64") for x in given]
    for x in ours:
        x.attach_grad()
    return ours, [torch.tensor(x, requires_grad=True) for x in given]


MASKS: dict[str, Array | None] = {
    "none": None,
    "added": draw(3, 2, 1, 5, 5),
    "hidden": (np.random.default_rng(4).random((1, 3, 5, 5)) > 0.3) | np.eye(5, dtype=bool),
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", MASKS)
def test_attention(name: str, causal: bool) -> None:
    mask = MASKS[name]
    ours, theirs = both(*(draw(i, 2, 3, 5, 4) for i in range(3)))
    bias = torch.full((5, 5), -torch.inf, dtype=torch.float64).triu(1) if causal else 0.0
    if mask is not None:
        bias = bias + torch.tensor(np.where(mask, 0, -np.inf) if mask.dtype == bool else mask)
    bias = bias if isinstance(bias, torch.Tensor) else None
    expected = functional.scaled_dot_product_attention(*theirs, attn_mask=bias)
    with autograd.record():
        shown = None if mask is None else nd.array(mask, dtype=mask.dtype)
        found = nd.attention(ours[0], ours[1], ours[2], shown, causal)
        agree(found, expected, ours, theirs)


@pytest.mark.parametrize("queries", [1, 5, 9])
def test_the_last_query_sees_all_keys(queries: int) -> None:
    """Of nine queries and seven keys, the first two see none: they give 0, and get nothing back."""
    ours, theirs = both(draw(0, 2, queries, 4), draw(1, 2, 7, 4), draw(2, 2, 7, 3))
    seen = torch.ones(queries, 7, dtype=torch.bool).tril(7 - queries)
    expected = functional.scaled_dot_product_attention(*theirs, attn_mask=seen)
    with autograd.record():
        agree(nd.attention(ours[0], ours[1], ours[2], causal=True), expected, ours, theirs)


def test_queries_of_no_size_see_all_keys_alike() -> None:
    value = draw(0, 2, 3, 4)
    found = nd.attention(nd.zeros((2, 5, 0)), nd.zeros((2, 3, 0)), nd.array(value)).asnumpy()
    expected = np.broadcast_to(value.mean(1, keepdims=True), found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3, 8), (2, 0, 8)])
def test_multi_head_attention_of_nothing(shape: tuple[int, ...]) -> None:
    net = nn.MultiHeadAttention(8, 2)
    net.initialize()
    assert net(nd.zeros(shape)).shape == shape


@pytest.mark.parametrize("padded", [False, True])
def test_multi_head_attention(padded: bool) -> None:
    """With PyTorch's parameters, between sequences of two lengths."""
    theirs = torch.nn.MultiheadAttention(12, 3, batch_first=True, dtype=torch.float64)
    net = nn.MultiHeadAttention(12, 3)
    net.initialize()
    net.cast("float64")
    arrays, tensors = both(draw(0, 2, 5, 12), draw(1, 2, 7, 12))
    net(*arrays)
    biases = draw(2, 3, 12)
    theirs.in_proj_bias.data = torch.tensor(biases.reshape(-1))
    weights = theirs.in_proj_weight.detach().chunk(3)
    for layer, weight, bias in zip((net.query, net.key, net.value), weights, biases, strict=True):
        layer.weight.set_data(weight.numpy())
        assert layer.bias is not None
        layer.bias.set_data(bias)
    net.output.weight.set_data(theirs.out_proj.weight.detach().numpy())
    shown = np.arange(7) < np.array([[7], [4]] if padded else [[7], [7]])
    expected, _ = theirs(tensors[0], tensors[1], tensors[1], torch.tensor(~shown))
    mask = nd.array(shown[:, None, None], dtype=bool) if padded else None
    with autograd.record():
        agree(net(*arrays, None, mask), expected, arrays, tensors)


def test_half_precision_is_computed_in_f32() -> None:
    x = nd.array(draw(0, 1, 4, 8), dtype="float16")
    wide = x.astype("float32")
    expected = nd.attention(wide, wide, wide).asnumpy()
    found = nd.attention(x, x, x)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.asnumpy(), expected, rtol=1e-3)
