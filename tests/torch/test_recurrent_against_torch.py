"""Recurrent layers and cells, and their gradients, beside PyTorch's, compiled, in f64."""

from typing import Any

import numpy as np
import pytest
import torch

from nnc import autograd, nd
from nnc.arrays.array import NDArray
from nnc.gluon import rnn

Array = np.ndarray[Any, np.dtype[Any]]
STEPS, BATCH, WIDTH, HIDDEN = 5, 3, 4, 6


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def copy_parameters(net: Any, theirs: torch.nn.Module) -> list[tuple[NDArray, torch.Tensor]]:
    """PyTorch's parameters for the layer of the same direction and number; pairs of both."""
    pairs: list[tuple[NDArray, torch.Tensor]] = []
    for name, tensor in theirs.named_parameters():
        kind, side, *rest = name.split("_")
        layer = rest[0][1:] if rest else ""
        direction = "r" if name.endswith("reverse") else "l"
        prefix = f"{direction}{layer}_" if layer else ""
        parameter = getattr(net, f"{prefix}{'i2h' if side == 'ih' else 'h2h'}_{kind}")
        parameter.set_data(tensor.detach().numpy())
        pairs.append((parameter.data(), tensor))
    return pairs


def agree(
    ours: list[NDArray], theirs: list[torch.Tensor], leaves: list[tuple[NDArray, torch.Tensor]]
) -> None:
    """Results, and gradients of the sum of their squares."""
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.asnumpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)
    total = sum(((y * y).sum() for y in ours[1:]), (ours[0] * ours[0]).sum())
    found = autograd.grad(total, [a for a, _ in leaves])
    expected = torch.autograd.grad(
        sum(((y * y).sum() for y in theirs[1:]), (theirs[0] ** 2).sum()), [b for _, b in leaves]
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.asnumpy(), b.numpy(), rtol=1e-8, atol=1e-11)


LAYERS: dict[str, tuple[Any, Any, dict[str, str], dict[str, str]]] = {
    "relu": (rnn.RNN, torch.nn.RNN, {"activation": "relu"}, {"nonlinearity": "relu"}),
    "tanh": (rnn.RNN, torch.nn.RNN, {"activation": "tanh"}, {"nonlinearity": "tanh"}),
    "lstm": (rnn.LSTM, torch.nn.LSTM, {}, {}),
    "gru": (rnn.GRU, torch.nn.GRU, {}, {}),
}


@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, True)])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, layers: int, bidirectional: bool) -> None:
    layer, kind, ours, more = LAYERS[name]
    both = {"num_layers": layers, "bidirectional": bidirectional}
    theirs = kind(WIDTH, HIDDEN, **both, dtype=torch.float64, **more)
    net = layer(HIDDEN, **both, **ours)
    net.initialize()
    net.cast("float64")
    count = layers * (2 if bidirectional else 1)
    states = 2 if name == "lstm" else 1
    given = [draw(0, STEPS, BATCH, WIDTH), *(draw(i, count, BATCH, HIDDEN) for i in range(states))]
    arrays = [nd.array(x, dtype="float64") for x in given]
    net(arrays[0])
    leaves = copy_parameters(net, theirs)
    tensors = [torch.tensor(x, requires_grad=True) for x in given]
    for a in arrays:
        a.attach_grad()
    initial = (tensors[1], tensors[2]) if states == 2 else tensors[1]
    y, last = theirs(tensors[0], initial)
    with autograd.record():
        output, final = net(arrays[0], arrays[1:])
        leaves += zip(arrays, tensors, strict=True)
        agree([output, *final], [y, *(last if states == 2 else [last])], leaves)


CELLS: dict[str, tuple[Any, Any]] = {
    "rnn": (rnn.RNNCell, torch.nn.RNNCell),
    "lstm": (rnn.LSTMCell, torch.nn.LSTMCell),
    "gru": (rnn.GRUCell, torch.nn.GRUCell),
}


@pytest.mark.parametrize("name", CELLS)
def test_cells_unroll(name: str) -> None:
    """A loop over the cell is the cell called again and again."""
    ours, kind = CELLS[name]
    theirs = kind(WIDTH, HIDDEN, dtype=torch.float64)
    cell = ours(HIDDEN)
    cell.initialize()
    cell.cast("float64")
    x = nd.array(draw(0, BATCH, STEPS, WIDTH), dtype="float64")
    cell.unroll(STEPS, x)
    leaves = copy_parameters(cell, theirs)
    tensor, state, outputs = torch.tensor(x.asnumpy()), None, []
    for t in range(STEPS):
        state = theirs(tensor[:, t], state)
        outputs.append(state[0] if name == "lstm" else state)
    with autograd.record():
        y, _ = cell.unroll(STEPS, x)
        agree([y], [torch.stack(outputs, 1)], leaves)
