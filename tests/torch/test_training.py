"""Training beside PyTorch: gradients at each step from torch's parameters, and free runs in f64."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

import nnc
from nnc import autograd, gluon, nd
from nnc.gluon import nn

STEPS = 100
Array = np.ndarray[Any, np.dtype[Any]]

NETWORKS = ("mlp", "cnn")
OPTIMIZERS = ("sgd", "adam")


def ours(name: str) -> nn.HybridSequential:
    if name == "mlp":
        return nn.HybridSequential(nn.Dense(32, "relu"), nn.Dense(16, "tanh"), nn.Dense(10))
    return nn.HybridSequential(
        nn.Conv2D(8, 3, padding=1, activation="relu"),
        nn.MaxPool2D(2),
        nn.Conv2D(8, 3, activation="relu"),
        nn.AvgPool2D(2),
        nn.Flatten(),
        nn.Dense(10),
    )


def theirs(name: str, dtype: Any) -> Any:
    torch.manual_seed(0)
    layers: Sequence[Any] = (
        (
            torch.nn.Flatten(),
            torch.nn.Linear(100, 32),
            torch.nn.ReLU(),
            torch.nn.Linear(32, 16),
            torch.nn.Tanh(),
            torch.nn.Linear(16, 10),
        )
        if name == "mlp"
        else (
            torch.nn.Conv2d(1, 8, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(8, 8, 3),
            torch.nn.ReLU(),
            torch.nn.AvgPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(8, 10),
        )
    )
    return torch.nn.Sequential(*layers).to(dtype)


def batches(seed: int = 0) -> list[tuple[Array, Array]]:
    """Learnable: the label is the largest of ten sums over the image."""
    random = np.random.default_rng(seed)
    scores = random.standard_normal((100, 10))
    images = random.standard_normal((STEPS, 32, 1, 10, 10))
    return [(x, (x.reshape(32, 100) @ scores).argmax(1)) for x in images]


def torch_optimizer(name: str, model: Any) -> Any:
    if name == "sgd":
        return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return torch.optim.Adam(model.parameters(), lr=0.002)


def trainer_of(name: str, net: Any) -> gluon.Trainer:
    sgd, adam = {"learning_rate": 0.01, "momentum": 0.9}, {"learning_rate": 0.002}
    return gluon.Trainer(net.collect_params(), name, sgd if name == "sgd" else adam)


def torch_gradients(model: Any, x: Array, y: Array) -> list[Array]:
    """Of the mean loss, left in the model too."""
    dtype = next(model.parameters()).dtype
    model.zero_grad()
    output = model(torch.tensor(x, dtype=dtype))
    torch.nn.functional.cross_entropy(output, torch.tensor(y)).backward()
    return [p.grad.numpy() for p in model.parameters() if p.grad is not None]


def distance(found: Array, expected: Array) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_from_torch_s_parameters(network: str, optimizer: str) -> None:
    model, precise = theirs(network, torch.float32), theirs(network, torch.float64)
    rule = torch_optimizer(optimizer, model)
    net, loss_of = ours(network), gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize()
    net(nd.zeros((32, 1, 10, 10)))
    parameters = list(net.collect_params().values())
    worst = 0.0
    for x, y in batches():
        precise.load_state_dict(model.state_dict())
        for parameter, source in zip(parameters, model.parameters(), strict=True):
            parameter.set_data(source.detach().numpy())
        held = [p.grad() for p in parameters]
        with autograd.record():
            loss = loss_of(net(nd.array(x)), nd.array(y))
        loss.backward()
        exact = torch_gradients(precise, x.astype(np.float32), y)
        expected = torch_gradients(model, x, y)
        for found, theirs_, f64 in zip(held, expected, exact, strict=True):
            allowed = max(1e-5, 2 * distance(theirs_, f64))
            off = distance(found.asnumpy() / len(x), theirs_)
            worst = max(worst, off)
            assert off <= allowed
        rule.step()
    print(f"{network}, {optimizer}: at most {worst:.1e} from torch's gradients")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_free_run_in_f64(network: str, optimizer: str) -> None:
    model = theirs(network, torch.float64)
    rule = torch_optimizer(optimizer, model)
    net = ours(network)
    net.cast("float64")
    net.initialize()
    net(nd.zeros((32, 1, 10, 10), "float64"))
    parameters = list(net.collect_params().values())
    for parameter, source in zip(parameters, model.parameters(), strict=True):
        parameter.set_data(source.detach().numpy())
    trainer = trainer_of(optimizer, net)
    step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
    first = last = 0.0
    for number, (x, y) in enumerate(batches()):
        torch_gradients(model, x, y)
        rule.step()
        last = float(step(x, y).asnumpy().mean())
        first = first if number else last
    for parameter, source in zip(parameters, model.parameters(), strict=True):
        assert distance(parameter.data().asnumpy(), source.detach().numpy()) <= 1e-9
    assert last < first
