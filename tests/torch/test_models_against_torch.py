"""Small networks of the model zoo's blocks beside PyTorch: loss and gradients of one step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from nnc import autograd, gluon, nd
from nnc.gluon import nn
from nnc.gluon.model_zoo import vision
from nnc.gluon.model_zoo.vision.mobilenet import RELU6, LinearBottleneck

Array = np.ndarray[Any, np.dtype[Any]]
Tensors = dict[Any, Any]


def evaluate(block: Any, x: Any, tensors: Tensors) -> Any:
    """What PyTorch computes for a block, with tensors for its parameters."""
    own = [tensors[p] for p in block.params.values()]
    match block:
        case nn.Conv2D():
            weight, bias = own if len(own) == 2 else (own[0], None)
            return functional.conv2d(x, weight, bias, *block.geometry)
        case nn.BatchNorm():
            return functional.batch_norm(x, None, None, own[0], own[1], training=True, eps=1e-5)
        case nn.Activation():
            return functional.relu(x)
        case RELU6():
            return functional.relu6(x)
        case nn.MaxPool2D():
            return functional.max_pool2d(x, 3, 2, 1)
        case nn.GlobalAvgPool2D():
            return x.mean((2, 3), keepdim=True)
        case nn.Flatten():
            return x.flatten(1)
        case nn.Dense():
            return functional.linear(x.flatten(1), *own)
        case vision.BasicBlockV1():
            kept = x if block.downsample is None else evaluate(block.downsample, x, tensors)
            return functional.relu(kept + evaluate(block.body, x, tensors))
        case LinearBottleneck():
            y = evaluate(block.out, x, tensors)
            return x + y if block.use_shortcut else y
        case vision.ResNetV1() | vision.MobileNetV2():
            return evaluate(block.output, evaluate(block.features, x, tensors), tensors)
        case _:
            for child in block:
                x = evaluate(child, x, tensors)
            return x


NETWORKS: dict[str, tuple[Callable[[], Any], int]] = {
    "residual blocks": (
        lambda: vision.ResNetV1(vision.BasicBlockV1, (2, 1), (8, 8, 16), 10, thumbnail=True),
        12,
    ),
    "bottlenecks": (lambda: vision.ResNetV1(vision.BottleneckV1, (1, 1), (8, 16, 32), 10), 32),
    "inverted bottlenecks": (
        lambda: nn.HybridSequential(
            LinearBottleneck(4, 6, 3, 2),
            LinearBottleneck(6, 6, 3, 1),
            nn.GlobalAvgPool2D(),
            nn.Dense(10),
        ),
        13,
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_one_step(name: str) -> None:
    make, size = NETWORKS[name]
    net = make()
    random = np.random.default_rng(0)
    x = random.standard_normal((4, 4 if "inverted" in name else 3, size, size))
    y = np.array([0, 3, 9, 3])
    net.initialize("xavier")
    net(nd.array(x.astype(np.float32)))
    net.cast("float64")
    parameters = [p for p in net.collect_params().values() if p.grad_req != "null"]
    every = net.collect_params().values()
    tensors = {p: torch.from_numpy(p.data().asnumpy().copy()).requires_grad_() for p in every}
    held = [p.grad() for p in parameters]
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    with autograd.record():
        loss = loss_of(net(nd.array(x, dtype="float64")), nd.array(y))
    loss.backward()
    logits = evaluate(net, torch.from_numpy(x), tensors)
    expected = functional.cross_entropy(logits, torch.from_numpy(y), reduction="none")
    expected.sum().backward()
    np.testing.assert_allclose(loss.asnumpy(), expected.detach().numpy(), rtol=1e-9)
    for parameter, found in zip(parameters, held, strict=True):
        gradient = tensors[parameter].grad
        assert gradient is not None
        reference: Array = gradient.numpy()
        scale = max(1e-3, float(np.abs(reference).max()))
        assert np.abs(found.asnumpy() - reference).max() <= 1e-8 * scale, parameter.name
