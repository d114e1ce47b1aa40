"""Networks of every kind trained beside PyTorch: LeNet, ResNet, an encoder, a GPT, an LSTM.

Each step's gradients start from torch's parameters; a free run in f64 stays with torch's. All are
small, and as wide and deep as it takes to have every kind of layer in its place.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.nn import functional

import nnc
from nnc import autograd, gluon, nd
from nnc.gluon import nn, rnn
from nnc.gluon.model_zoo import vision

Array = np.ndarray[Any, np.dtype[Any]]
Tensors = dict[str, torch.Tensor]
STEPS, BATCH, LETTERS, WIDTH, LENGTH, HEADS = 20, 4, 11, 16, 6, 2


class Layer(nn.HybridBlock):
    """A layer of a transformer, normalizing before (GPT) or after (BERT) each part."""

    def __init__(self, causal: bool):
        super().__init__()
        self.causal = causal
        self.attention = nn.MultiHeadAttention(WIDTH, HEADS, causal=causal)
        self.first, self.second = nn.LayerNorm(), nn.LayerNorm()
        self.network = nn.HybridSequential(
            nn.Dense(2 * WIDTH, flatten=False), nn.GELU(), nn.Dense(WIDTH, flatten=False)
        )

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        if self.causal:
            x = x + self.attention(self.first(x))
            return x + self.network(self.second(x))
        x = self.first(x + self.attention(x))
        return self.second(x + self.network(x))


class Transformer(nn.HybridBlock):
    """Letters and places, layers, and scores: of each place (GPT), or of the first (BERT)."""

    def __init__(self, layers: int, causal: bool):
        super().__init__()
        self.causal = causal
        self.letters, self.places = nn.Embedding(LETTERS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.layers = nn.HybridSequential(*(Layer(causal) for _ in range(layers)))
        self.scores = nn.Dense(LETTERS, flatten=False)

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        y = self.layers(self.letters(x) + self.places(nd.arange(LENGTH, dtype="int32")))
        return self.scores(y if self.causal else y[:, 0])


class Recurrent(nn.HybridBlock):
    """Letters, two layers of LSTM, and scores of each place."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(LETTERS, WIDTH)
        self.recurrence = rnn.LSTM(WIDTH, 2, layout="NTC")
        self.scores = nn.Dense(LETTERS, flatten=False)

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        return self.scores(self.recurrence(self.letters(x)))


def linear(x: torch.Tensor, p: Tensors, name: str) -> torch.Tensor:
    return functional.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def norm(x: torch.Tensor, p: Tensors, name: str) -> torch.Tensor:
    return functional.layer_norm(x, (WIDTH,), p[f"{name}.gamma"], p[f"{name}.beta"])


def attention(x: torch.Tensor, p: Tensors, name: str, causal: bool) -> torch.Tensor:
    parts = (linear(x, p, f"{name}.{part}") for part in ("query", "key", "value"))
    q, k, v = (y.reshape(BATCH, LENGTH, HEADS, -1).transpose(1, 2) for y in parts)
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if causal:
        scores = scores + torch.full((LENGTH, LENGTH), -math.inf, dtype=x.dtype).triu(1)
    joined = (scores.softmax(-1) @ v).transpose(1, 2).reshape(BATCH, LENGTH, WIDTH)
    return linear(joined, p, f"{name}.output")


def transformer(x: torch.Tensor, p: Tensors, layers: int, causal: bool) -> torch.Tensor:
    y = p["letters.weight"][x] + p["places.weight"]
    for i in range(layers):
        name = f"layers.{i}"

        def network(z: torch.Tensor, name: str = f"{name}.network") -> torch.Tensor:
            return linear(functional.gelu(linear(z, p, f"{name}.0")), p, f"{name}.2")

        if causal:
            y = y + attention(norm(y, p, f"{name}.first"), p, f"{name}.attention", causal)
            y = y + network(norm(y, p, f"{name}.second"))
        else:
            y = norm(y + attention(y, p, f"{name}.attention", causal), p, f"{name}.first")
            y = norm(y + network(y), p, f"{name}.second")
    return linear(y if causal else y[:, 0], p, "scores")


def recurrent(x: torch.Tensor, p: Tensors) -> torch.Tensor:
    y = p["letters.weight"][x]
    for layer in range(2):
        names = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
        i2h, h2h, i2h_bias, h2h_bias = (p[f"recurrence.l{layer}_{name}"] for name in names)
        h = c = y.new_zeros(BATCH, WIDTH)
        outputs: list[torch.Tensor] = []
        for t in range(LENGTH):
            gates = functional.linear(y[:, t], i2h, i2h_bias) + functional.linear(h, h2h, h2h_bias)
            i, f, g, o = gates.chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        y = torch.stack(outputs, 1)
    return linear(y, p, "scores")


def lenet(x: torch.Tensor, p: Tensors) -> torch.Tensor:
    for i in (0, 2):
        x = functional.conv2d(x, p[f"{i}.weight"], p[f"{i}.bias"]).tanh()
        x = functional.max_pool2d(x, 2)
    return linear(linear(x.flatten(1), p, "4").tanh(), p, "5")


def batch_norm(x: torch.Tensor, p: Tensors, name: str) -> torch.Tensor:
    scales = p[f"{name}.gamma"], p[f"{name}.beta"]
    return functional.batch_norm(x, None, None, *scales, training=True, eps=1e-5)


def residual(x: torch.Tensor, p: Tensors, name: str, stride: int) -> torch.Tensor:
    y = functional.conv2d(x, p[f"{name}.body.0.weight"], None, stride, 1)
    y = functional.relu(batch_norm(y, p, f"{name}.body.1"))
    y = functional.conv2d(y, p[f"{name}.body.3.weight"], None, 1, 1)
    y = batch_norm(y, p, f"{name}.body.4")
    if f"{name}.downsample.0.weight" in p:
        x = functional.conv2d(x, p[f"{name}.downsample.0.weight"], None, stride)
        x = batch_norm(x, p, f"{name}.downsample.1")
    return functional.relu(x + y)


def resnet(x: torch.Tensor, p: Tensors) -> torch.Tensor:
    """ResNet-18 with the small-image stem and few channels."""
    x = functional.conv2d(x, p["features.0.weight"], None, 1, 1)
    for stage in range(4):
        for block in range(2):
            stride = 2 if stage and not block else 1
            x = residual(x, p, f"features.{stage + 1}.{block}", stride)
    return linear(x.mean((2, 3)), p, "output")


class Case(NamedTuple):
    """A network here and there, and whether its input and labels are letters."""

    ours: Callable[[], Any]
    theirs: Callable[[torch.Tensor, Tensors], torch.Tensor]
    image: tuple[int, ...] | None
    labels: tuple[int, ...]


def encoder(x: torch.Tensor, p: Tensors) -> torch.Tensor:
    return transformer(x, p, 2, False)


def gpt(x: torch.Tensor, p: Tensors) -> torch.Tensor:
    return transformer(x, p, 4, True)


CASES: dict[str, Case] = {
    "lenet": Case(
        lambda: nn.HybridSequential(
            nn.Conv2D(4, 3, activation="tanh"), nn.MaxPool2D(2),
            nn.Conv2D(6, 3, activation="tanh"), nn.MaxPool2D(2),
            nn.Dense(12, "tanh"), nn.Dense(LETTERS),
        ),
        lenet, (1, 12, 12), (BATCH,),
    ),
    "resnet": Case(
        lambda: vision.ResNetV1(
            vision.BasicBlockV1, (2, 2, 2, 2), (4, 4, 6, 8, 10), LETTERS, thumbnail=True
        ),
        resnet, (3, 16, 16), (BATCH,),
    ),
    "encoder": Case(lambda: Transformer(2, False), encoder, None, (BATCH,)),
    "gpt": Case(lambda: Transformer(4, True), gpt, None, (BATCH, LENGTH)),
    "lstm": Case(Recurrent, recurrent, None, (BATCH, LENGTH)),
}  # fmt: skip


def batches(case: Case) -> list[tuple[Array, Array]]:
    random = np.random.default_rng(1)
    found: list[tuple[Array, Array]] = []
    for _ in range(STEPS):
        y = random.integers(0, LETTERS, case.labels)
        letters = random.integers(0, LETTERS, (BATCH, LENGTH))
        x = letters if case.image is None else random.standard_normal((BATCH, *case.image))
        found.append((x, y))
    return found


def network(case: Case, dtype: str) -> Any:
    """The network, and the names of what is trained."""
    nnc.random.seed(3)
    net = case.ours()
    net.initialize(nnc.init.Uniform(0.3))
    net.cast(dtype)
    net(given(case, batches(case)[0][0], dtype))
    return net


def given(case: Case, x: Array, dtype: str) -> nd.NDArray:
    return nd.array(x, dtype="int32" if case.image is None else dtype)


def trained(net: Any) -> dict[str, Any]:
    return {k: p for k, p in net.collect_params().items() if p.grad_req != "null"}


def tensors_of(parameters: dict[str, Any], dtype: torch.dtype) -> Tensors:
    return {
        name: torch.tensor(p.data().asnumpy(), dtype=dtype, requires_grad=True)
        for name, p in parameters.items()
    }


def torch_gradients(case: Case, p: Tensors, x: Array, y: Array) -> list[Array]:
    """Of the mean over the batch, left in the tensors too."""
    dtype = next(iter(p.values())).dtype
    source = torch.tensor(x) if case.image is None else torch.tensor(x, dtype=dtype)
    output = case.theirs(source, p)
    loss = functional.cross_entropy(output.reshape(-1, LETTERS), torch.tensor(y).reshape(-1))
    found = torch.autograd.grad(loss, list(p.values()))
    for tensor, gradient in zip(p.values(), found, strict=True):
        tensor.grad = gradient
    return [gradient.numpy() for gradient in found]


def is_zero(name: str) -> bool:
    """Whether a gradient is zero but for rounding, which follows the order of a sum.

    A bias of the keys adds one number to all scores of a query, and softmax does not see it. (So it
    is with a bias before batch normalization; the networks here have none.)
    """
    return name.endswith("attention.key.bias")


@pytest.mark.parametrize("name", CASES)
def test_gradients_from_torch_s_parameters(name: str) -> None:
    """Over the steps each tensor's gradients are within twice torch's own distance from f64.

    Where they are zero, rounding is at most a millionth of the gradients of the keys' weight.
    """
    case = CASES[name]
    net, loss_of = network(case, "float32"), gluon.loss.SoftmaxCrossEntropyLoss()
    parameters = trained(net)
    model = tensors_of(parameters, torch.float32)
    rule = torch.optim.SGD(list(model.values()), lr=0.05, momentum=0.9)
    squares = {key: np.zeros(3) for key in parameters}
    for x, y in batches(case):
        for key, parameter in parameters.items():
            parameter.set_data(model[key].detach().numpy())
        held = [p.grad() for p in parameters.values()]
        with autograd.record():
            loss = loss_of(net(given(case, x, "float32")), nd.array(y, dtype="int32"))
        loss.backward()
        precise = {k: v.detach().double().requires_grad_() for k, v in model.items()}
        exact = torch_gradients(case, precise, x.astype("f4") if case.image else x, y)
        expected = torch_gradients(case, model, x, y)
        for key, found, theirs, f64 in zip(parameters, held, expected, exact, strict=True):
            parts = found.asnumpy() / BATCH - f64, theirs - f64, f64
            squares[key] += [np.sum(part**2) for part in parts]
        rule.step()
    worst = 0.0
    norms = {key: np.sqrt(sums) for key, sums in squares.items()}
    for key, (off, own, _) in norms.items():
        if is_zero(key):
            most = 1e-6 * norms[key.replace("bias", "weight")][2]
        else:
            most = 2 * own
            worst = max(worst, off / own)
        assert off <= most, f"{key}: {off:.1e}, torch {own:.1e}, expected at most {most:.1e}"
    print(f"{name}: at most {worst:.2f} times as far from f64 as torch")


def distance(found: Array, expected: Array) -> float:
    """Relative to the norm of what is expected, or to 1e-4 where that is less."""
    return float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-4))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", CASES)
def test_free_run_in_f64(name: str, optimizer: str) -> None:
    case = CASES[name]
    net = network(case, "float64")
    parameters = trained(net)
    model = tensors_of(parameters, torch.float64)
    values = list(model.values())
    options = {"learning_rate": 0.05, "momentum": 0.9}
    rule: torch.optim.Optimizer = torch.optim.SGD(values, lr=0.05, momentum=0.9)
    if optimizer == "adam":
        options = {"learning_rate": 0.01, "epsilon": 1e-4}
        rule = torch.optim.Adam(values, lr=0.01, eps=1e-4)
    trainer = gluon.Trainer(net.collect_params(), optimizer, options)
    step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
    for x, y in batches(case):
        torch_gradients(case, model, x, y)
        rule.step()
        step(given(case, x, "float64"), nd.array(y, dtype="int32"))
    for key, parameter in parameters.items():
        assert distance(parameter.data().asnumpy(), model[key].detach().numpy()) <= 1e-8, key
