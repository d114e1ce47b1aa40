"""Convolution, pooling and resampling beside PyTorch: values and gradients of compiled layers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from nnc import autograd, nd
from nnc.gluon import nn

Array = np.ndarray[Any, np.dtype[Any]]
SIZES: dict[int, tuple[int, ...]] = {1: (9,), 2: (7, 8), 3: (5, 4, 6)}
"""The images' sizes, by the number of axes."""


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def agree(found: Array, expected: Any) -> None:
    reference = expected.detach().numpy()
    assert found.shape == reference.shape
    scale = max(1.0, float(np.abs(reference).max()))
    np.testing.assert_allclose(found, reference, rtol=0, atol=1e-5 * scale)


def one(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of the image alone."""
    return function


def compare(ours: Any, theirs: Callable[..., Any], x: Array) -> None:
    """The layer or function, and PyTorch's function of the image and the layer's parameters."""
    image = nd.array(x)
    image.attach_grad()
    if isinstance(ours, nn.HybridBlock):
        ours.initialize("normal")
        ours(image)
    parameters = list(ours.collect_params().values()) if isinstance(ours, nn.HybridBlock) else []
    for seed, parameter in enumerate(parameters):
        parameter.set_data(draw(10 + seed, *parameter.data().shape))
    held = [p.grad() for p in parameters]
    tensors = [torch.from_numpy(a).requires_grad_() for a in (x, *(data(p) for p in parameters))]
    expected = theirs(*tensors)
    weights = draw(99, *expected.shape)
    (expected * torch.from_numpy(weights)).sum().backward()
    with autograd.record():
        y = ours(image)
        total = (y * nd.array(weights)).sum()
    total.backward()
    agree(y.asnumpy(), expected)
    for gradient, tensor in zip([image.grad, *held], tensors, strict=True):
        assert gradient is not None
        agree(gradient.asnumpy(), tensor.grad)


def data(parameter: Any) -> Array:
    return parameter.data().asnumpy()


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    ("groups", "stride", "padding", "dilation"),
    [(1, 1, 0, 1), (1, 2, 1, 1), (2, 1, 2, 2), (4, 2, 1, 1), (2, 3, 2, 2)],
)
def test_convolution(axes: int, groups: int, stride: int, padding: int, dilation: int) -> None:
    layer = getattr(nn, f"Conv{axes}D")(8, 2, stride, padding, dilation, groups)
    reference = getattr(functional, f"conv{axes}d")

    def theirs(x: Any, weight: Any, bias: Any) -> Any:
        return reference(x, weight, bias, stride, padding, dilation, groups)

    compare(layer, theirs, draw(0, 2, 4, *SIZES[axes]))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    ("groups", "stride", "padding", "more", "dilation"),
    [(1, 1, 0, 0, 1), (1, 2, 1, 1, 1), (2, 3, 2, 1, 2), (4, 2, 1, 0, 1)],
)
def test_transposed_convolution(
    axes: int, groups: int, stride: int, padding: int, more: int, dilation: int
) -> None:
    layer = getattr(nn, f"Conv{axes}DTranspose")(
        8, 3, stride, padding, more, dilation, groups=groups
    )
    reference = getattr(functional, f"conv_transpose{axes}d")

    def theirs(x: Any, weight: Any, bias: Any) -> Any:
        return reference(x, weight, bias, stride, padding, more, groups, dilation)

    compare(layer, theirs, draw(0, 2, 4, *(size - 3 for size in SIZES[axes])))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 3, 1)])
def test_pooling(axes: int, ceil_mode: bool, size: int, stride: int, padding: int) -> None:
    x = draw(0, 2, 3, *SIZES[axes])
    largest = getattr(nn, f"MaxPool{axes}D")(size, stride, padding, ceil_mode=ceil_mode)
    reference = getattr(functional, f"max_pool{axes}d")
    compare(largest, one(lambda x: reference(x, size, stride, padding, 1, ceil_mode)), x)
    for counted in (False, True):
        mean = getattr(nn, f"AvgPool{axes}D")(
            size, stride, padding, ceil_mode=ceil_mode, count_include_pad=counted
        )
        average = getattr(functional, f"avg_pool{axes}d")

        def theirs(x: Any, average: Any = average, counted: bool = counted) -> Any:
            return average(x, size, stride, padding, ceil_mode, counted)

        compare(mean, theirs, x)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_global_pooling(axes: int) -> None:
    x = np.round(draw(0, 2, 3, *SIZES[axes]))  # With tied maxima.
    for kind, reference in {"Avg": "avg", "Max": "max"}.items():
        layer = getattr(nn, f"Global{kind}Pool{axes}D")()
        theirs = getattr(functional, f"adaptive_{reference}_pool{axes}d")
        compare(layer, partial(theirs, output_size=1), x)


def test_sums_and_powers_under_windows() -> None:
    x = draw(0, 2, 3, 7, 8)
    compare(
        one(lambda x: nd.pooling(x, 2, "sum", stride=2, pooling_convention="full")),
        one(lambda x: 4 * functional.avg_pool2d(functional.pad(x, (0, 0, 0, 1)), 2)),
        x,
    )
    compare(
        one(lambda x: nd.pooling(x, (3, 2), "lp", p_value=3)),
        one(lambda x: functional.lp_pool2d(x.abs(), 3, (3, 2), 1)),
        x,
    )
    compare(partial(nd.pooling, pool_type="avg", global_pool=True), average_of_all, x)


def average_of_all(x: Any) -> Any:
    return x.mean((2, 3), keepdim=True)


def test_resampling() -> None:
    x = draw(0, 2, 3, 7, 8)
    for size in [(3, 5), (7, 4), (1, 1)]:
        compare(
            partial(nd.adaptive_avg_pooling2d, output_size=size),
            partial(functional.adaptive_avg_pool2d, output_size=size),
            x,
        )
    for size in [(14, 5), (1, 16)]:
        compare(
            partial(nd.bilinear_resize2d, height=size[0], width=size[1]),
            partial(functional.interpolate, size=size, mode="bilinear", align_corners=True),
            x,
        )
    compare(partial(nd.up_sampling, scale=3), partial(functional.interpolate, scale_factor=3), x)


def test_reflection() -> None:
    x = draw(0, 2, 3, 4, 5)
    compare(nn.ReflectionPad2D(3), partial(functional.pad, pad=(3, 3, 3, 3), mode="reflect"), x)
