"""The workloads' networks as a user of Gluon writes them.

Parameters are in the order of `workload.params()`. Every `forward` gives logits, or an output
whose leading axes are those of the workload's, not yet joined.
"""

from collections.abc import Callable
from typing import Any

from workload import Workload

from nnc import nd
from nnc.gluon import nn, rnn
from nnc.gluon.model_zoo import vision
from nnc.gluon.model_zoo.vision.mobilenet import normalized
from nnc.gluon.model_zoo.vision.parts import filtered


def mlp(workload: Workload) -> nn.HybridBlock:
    return nn.HybridSequential(nn.Dense(512, "relu"), nn.Dense(256, "relu"), nn.Dense(10))


def lenet(workload: Workload) -> nn.HybridBlock:
    return nn.HybridSequential(
        nn.Conv2D(20, 5, activation="relu"),
        nn.MaxPool2D(2, 2),
        nn.Conv2D(50, 5, activation="relu"),
        nn.MaxPool2D(2, 2),
        nn.Dense(500, "relu"),
        nn.Dense(10),
    )


def product(workload: Workload) -> nn.HybridBlock:
    """A product with a constant, which a dense layer keeps transposed."""
    return nn.Dense(workload.params()["w"].shape[1], use_bias=False)


def resnet18(workload: Workload) -> nn.HybridBlock:
    return vision.resnet18_v1()


class Bottleneck(nn.HybridBlock):
    """MobileNetV2's block; where nothing is widened, it has no convolution for that."""

    def __init__(self, channels: int, out: int, expansion: int, stride: int):
        super().__init__()
        self.use_shortcut = stride == 1 and channels == out
        hidden = channels * expansion
        self.body = nn.HybridSequential()
        if expansion != 1:
            self.body.add(*normalized(filtered(hidden, 1)))
        depthwise = filtered(hidden, 3, stride, groups=hidden)
        self.body.add(*normalized(depthwise))
        self.body.add(*normalized(filtered(out, 1), active=False))

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        return self.body(x) + x if self.use_shortcut else self.body(x)


def mobilenet(workload: Any) -> nn.HybridBlock:
    return nn.HybridSequential(
        *normalized(filtered(32, 3, 2)),
        *(Bottleneck(*sizes) for sizes in workload.blocks()),
        *normalized(filtered(1280, 1)),
        nn.GlobalAvgPool2D(),
        nn.Dense(1000),
    )


class TransformerLayer(nn.HybridBlock):
    """Attention and a network of two layers, each added to its input; norms before or after."""

    def __init__(self, workload: Any):
        super().__init__()
        self.norm_first = workload.norm_first
        self.attention = nn.MultiHeadAttention(workload.D, workload.H, causal=workload.causal)
        self.wide = nn.Dense(workload.F, flatten=False)
        self.narrow = nn.Dense(workload.D, flatten=False)
        self.norm1, self.norm2 = nn.LayerNorm(), nn.LayerNorm()

    def network(self, x: nd.NDArray) -> nd.NDArray:
        return self.narrow(nd.gelu(self.wide(x)))

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        if self.norm_first:
            x = x + self.attention(self.norm1(x))
            return x + self.network(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.network(x))


def bert(workload: Any) -> nn.HybridBlock:
    net = nn.HybridSequential(*(TransformerLayer(workload) for _ in range(workload.L)))
    if workload.kind == "train":
        net.add(nn.Dense(2, flatten=False))
    return net


class Gpt(nn.HybridBlock):
    """A causal language model."""

    def __init__(self, workload: Any):
        super().__init__()
        self.tokens = nn.Embedding(workload.V, workload.D)
        self.positions = nn.Embedding(workload.S, workload.D)
        self.layers = nn.HybridSequential(*(TransformerLayer(workload) for _ in range(workload.L)))
        self.norm = nn.LayerNorm()
        self.head = nn.Dense(workload.V, flatten=False)

    def forward(self, tokens: nd.NDArray) -> nd.NDArray:
        x = self.tokens(tokens) + self.positions.weight.data()
        return self.head(self.norm(self.layers(x)))


class Lstm(nn.HybridBlock):
    """One LSTM layer, then a dense layer on the last output."""

    def __init__(self, workload: Any):
        super().__init__()
        self.recurrent = rnn.LSTM(workload.HIDDEN)
        # The workload has one bias; Gluon's other one stays 0.
        self.recurrent.collect_params("h2h_bias")["l0_h2h_bias"].grad_req = "null"
        self.classes = nn.Dense(10)

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        return self.classes(self.recurrent(x)[-1])


def fused(*inputs: nd.NDArray) -> nd.NDArray:
    x, scale, shift, residual, gain, bias = inputs
    y = nd.gelu(x * scale + shift) + residual
    return nd.softmax(nd.layer_norm(y, gain, bias))


FUNCTIONS: dict[str, Callable[..., nd.NDArray]] = {"gemm": nd.dot, "fused": fused}
NETWORKS: dict[str, Callable[[Any], nn.HybridBlock]] = {
    "gemmw": product,
    "mlp": mlp,
    "lenet": lenet,
    "resnet18": resnet18,
    "mobilenetv2": mobilenet,
    "bert2l": bert,
    "gpt4l": Gpt,
    "lstm": Lstm,
}
"""By the first part of the workload's name."""
