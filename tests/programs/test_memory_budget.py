"""Half the memory, the same bits: steps that compute forward values again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import NDArray, autograd, gluon, nd
from nnc.errors import OptionError
from nnc.gluon import nn

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]


def gated(x: NDArray) -> NDArray:
    return nd.gelu(x) * nd.sigmoid(x)


def mlp() -> tuple[nn.HybridBlock, Shape]:
    """24 layers with costly activations."""
    layers = [part for _ in range(24) for part in (nn.Dense(16), nn.HybridLambda(gated))]
    return nn.HybridSequential(*layers, nn.Dense(5)), (32, 16)


def convolutional() -> tuple[nn.HybridBlock, Shape]:
    """Convolutions with batch normalization, whose statistics are state, and dropout."""
    layers = [
        part
        for _ in range(8)
        for part in (
            nn.Conv2D(4, 3, padding=1, use_bias=False),
            nn.BatchNorm(),
            nn.Activation("relu"),
            nn.Dropout(0.1),
        )
    ]
    return nn.HybridSequential(*layers, nn.Flatten(), nn.Dense(5)), (4, 4, 10, 10)


class Attention(nn.HybridBlock):
    """One head with a residual connection, and an MLP likewise."""

    def __init__(self, width: int):
        super().__init__()
        self.project = nn.Dense(3 * width, flatten=False)
        self.norms = nn.HybridSequential(nn.LayerNorm(), nn.LayerNorm())
        self.hidden = nn.HybridSequential(
            nn.Dense(2 * width, flatten=False),
            nn.HybridLambda(nd.gelu),
            nn.Dense(width, flatten=False),
        )

    def forward(self, x: NDArray) -> NDArray:
        query, key, value = nd.split(self.project(self.norms[0](x)), 3, axis=2)
        scores = nd.batch_dot(query, nd.transpose(key, (0, 2, 1))) * 0.25
        x = x + nd.batch_dot(nd.softmax(scores, axis=-1), value)
        return x + self.hidden(self.norms[1](x))


def transformer() -> tuple[nn.HybridBlock, Shape]:
    layers = [Attention(16) for _ in range(6)]
    return nn.HybridSequential(*layers, nn.Flatten(), nn.Dense(5)), (2, 12, 16)


def trained(
    make: Callable[[], tuple[nn.HybridBlock, Shape]], budget: float | None
) -> tuple[float, list[Array]]:
    """The MiB of the arena; losses and parameters of three steps."""
    nnc.random.seed(5)
    net, shape = make()
    net.initialize(nnc.init.Xavier())
    draw = np.random.default_rng(0)
    x = nd.array(draw.standard_normal(shape))
    label = nd.array(draw.integers(0, 5, shape[0]), dtype="int32")
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.05, "momentum": 0.9})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    step = nnc.compile_step(net, loss, trainer, memory_budget=budget)
    losses = [step(x, label).asnumpy() for _ in range(3)]
    parameters = [p.data().asnumpy() for p in net.collect_params().values()]
    return step.program.artifact.arena_bytes / 2**20, [*losses, *parameters]


@pytest.mark.parametrize("make", [mlp, convolutional, transformer])
def test_half_the_memory_gives_the_same_bits(
    make: Callable[[], tuple[nn.HybridBlock, Shape]],
) -> None:
    whole, expected = trained(make, None)
    half, given = trained(make, whole / 2)
    assert half <= whole / 2
    for a, b in zip(expected, given, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_budget_that_cannot_be_met_changes_nothing() -> None:
    net = nn.HybridSequential(nn.Dense(8), nn.Dense(5))
    net.initialize()
    x = nd.array(np.ones((4, 6)))
    net(x)
    before = [p.data().asnumpy() for p in net.collect_params().values()]
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    step = nnc.compile_step(net, gluon.loss.L2Loss(), trainer, memory_budget=1e-5)
    with pytest.raises(OptionError, match=r"compile_step: nn-remat: a budget of 1e-05 MiB cannot"):
        step(x, nd.ones((4, 5)))
    for parameter, value in zip(net.collect_params().values(), before, strict=True):
        np.testing.assert_array_equal(parameter.data().asnumpy(), value)


class Deep(nn.HybridBlock):
    """Blocks of two gated layers, each behind a checkpoint if told so."""

    def __init__(self, checkpointed: bool):
        super().__init__()
        self.blocks = nn.HybridSequential(
            *(
                nn.HybridSequential(
                    nn.Dense(16), nn.HybridLambda(gated), nn.Dense(16), nn.HybridLambda(gated)
                )
                for _ in range(6)
            )
        )
        self.head = nn.Dense(5)
        self.checkpointed = checkpointed

    def forward(self, x: NDArray) -> NDArray:
        for block in self.blocks:
            x = autograd.checkpoint(block, x) if self.checkpointed else block(x)
        return self.head(x)


def test_checkpoints_bound_the_memory() -> None:
    """Blocks behind a checkpoint keep what goes into them, and give the same bits."""
    whole, expected = trained(lambda: (Deep(False), (64, 16)), None)
    less, given = trained(lambda: (Deep(True), (64, 16)), None)
    assert less < 0.4 * whole
    for a, b in zip(expected, given, strict=True):
        np.testing.assert_array_equal(a, b)
