"""Layers that move channels, and variants of batch normalization, with their gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as f

from nnc import autograd, nd
from nnc.errors import OptionError, ShapeError
from nnc.gluon import nn

Array = np.ndarray[Any, np.dtype[Any]]


def draw(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def blocks(x: torch.Tensor, *factors: int) -> torch.Tensor:
    """Axes (c, f…, size…), each factor then brought behind its size."""
    axes = len(factors)
    y = x.reshape(x.shape[0], -1, *factors, *x.shape[2:])
    order = [axis for i in range(axes) for axis in (2 + axes + i, 2 + i)]
    sizes = [s * k for s, k in zip(x.shape[2:], factors, strict=True)]
    return y.permute(0, 1, *order).reshape(x.shape[0], -1, *sizes)


def normalized(x: torch.Tensor) -> torch.Tensor:
    return f.batch_norm(x, None, None, training=True)


CASES: dict[str, tuple[Any, Array, Callable[[Any], Any]]] = {
    "pixels": (nn.PixelShuffle2D(2), draw(2, 8, 3, 2), lambda x: f.pixel_shuffle(x, 2)),
    "sequences": (nn.PixelShuffle1D(3), draw(2, 6, 4), lambda x: blocks(x, 3)),
    "oblong": (nn.PixelShuffle2D((1, 3)), draw(2, 6, 2, 2), lambda x: blocks(x, 1, 3)),
    "volumes": (nn.PixelShuffle3D(2), draw(1, 8, 2, 1, 3), lambda x: blocks(x, 2, 2, 2)),
    "relu": (nn.BatchNormReLU(), draw(4, 3, 2), lambda x: torch.relu(normalized(x))),
    "sync": (nn.SyncBatchNorm(3, 1), draw(4, 3, 2), normalized),
}


@pytest.mark.parametrize("name", CASES)
def test_layers(name: str) -> None:
    layer, data, theirs = CASES[name]
    layer.initialize()
    tensor, x = torch.tensor(data, requires_grad=True), nd.array(data)
    x.attach_grad()
    expected = theirs(tensor)
    torch.sin(expected).sum().backward()
    with autograd.record():
        found = layer(x)
        total = nd.sin(found).sum()
    total.backward()
    np.testing.assert_allclose(found.asnumpy(), expected.detach().numpy(), 1e-4, 1e-5)
    assert x.grad is not None
    assert tensor.grad is not None
    np.testing.assert_allclose(x.grad.asnumpy(), tensor.grad.numpy(), 1e-4, 1e-5)


def test_mistakes() -> None:
    with pytest.raises(ShapeError, match=r"PixelShuffle2D: 6 channels .* into blocks of 4"):
        nn.PixelShuffle2D(2)(nd.ones((1, 6, 2, 2)))
    with pytest.raises(OptionError, match="SyncBatchNorm: a network lives on one device, given 4"):
        nn.SyncBatchNorm(3, num_devices=4)
