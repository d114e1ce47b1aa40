"""The workloads: products, MLP, convolutional networks, transformers, LSTM, one fused chain."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from workload import Array, Workload, is_state

__all__ = ["WORKLOADS", "Workload", "is_state"]


class Gemm(Workload):
    """`a[m, k] . b[k, n]`, both given at run time."""

    const_params = False
    atol = 2e-3
    m: int
    n: int
    k: int

    def draw(self, random: np.random.Generator) -> list[Array]:
        return [self.image(random, self.m, self.k), self.image(random, self.k, self.n)]

    def forward(self, ops: Any, params: dict[str, Any], *inputs: Any, train: bool = False) -> Any:
        return ops.matmul(*inputs)

    def flops(self) -> int:
        return 2 * self.m * self.n * self.k


class GemmWeight(Gemm):
    """`a[m, k] . w[k, n]` with a constant `w`, which peers may pack beforehand."""

    const_params = True

    def build(self) -> None:
        self.add("w", (self.k, self.n), 1.0)

    def draw(self, random: np.random.Generator) -> list[Array]:
        return [self.image(random, self.m, self.k)]

    def forward(self, ops: Any, params: dict[str, Any], *inputs: Any, train: bool = False) -> Any:
        return ops.matmul(inputs[0], params["w"])


class Mlp(Workload):
    """784-512-256-10 with ReLU."""

    b: int

    def build(self) -> None:
        self.add_linear("l1", 512, 784)
        self.add_linear("l2", 256, 512)
        self.add_linear("l3", 10, 256)

    def draw(self, random: np.random.Generator) -> list[Array]:
        return [self.image(random, self.b, 784), *self.labels(random, self.b, 10)]

    def forward(self, ops: Any, params: dict[str, Any], *inputs: Any, train: bool = False) -> Any:
        x, *labels = inputs
        h = ops.relu(ops.linear(x, params["l1.w"], params["l1.b"]))
        h = ops.relu(ops.linear(h, params["l2.w"], params["l2.b"]))
        h = ops.linear(h, params["l3.w"], params["l3.b"])
        return ops.xent(h, *labels) if labels else h


class LeNet(Workload):
    """Two 5x5 convolutions with max pooling, two dense layers, on 1x28x28."""

    b: int

    def build(self) -> None:
        self.add_conv("c1", 20, 1, 5)
        self.add_constant("c1.b", 20, 0)
        self.add_conv("c2", 50, 20, 5)
        self.add_constant("c2.b", 50, 0)
        self.add_linear("l1", 500, 800)
        self.add_linear("l2", 10, 500)

    def draw(self, random: np.random.Generator) -> list[Array]:
        return [self.image(random, self.b, 1, 28, 28), *self.labels(random, self.b, 10)]

    def forward(self, ops: Any, params: dict[str, Any], *inputs: Any, train: bool = False) -> Any:
        x, *labels = inputs
        h = ops.image(x)
        for layer in ("c1", "c2"):
            h = ops.relu(ops.conv(h, params[layer + ".w"], params[layer + ".b"]))
            h = ops.maxpool(h, 2, 2, 0)
        h = ops.relu(ops.linear(ops.flatten(h), params["l1.w"], params["l1.b"]))
        h = ops.linear(h, params["l2.w"], params["l2.b"])
        return ops.xent(h, *labels) if labels else h


class ResNet18(Workload):
    """ResNet-18 on 3x224x224."""

    atol = 1e-3
    b: int
    STAGES = (64, 128, 256, 512)

    def blocks(self) -> Iterator[tuple[str, int, int, int]]:
        """Name, input channels, output channels and stride of each block."""
        channels = 64
        for stage, out in enumerate(self.STAGES):
            for k in range(2):
                yield f"s{stage}_{k}", channels, out, 2 if stage > 0 and k == 0 else 1
                channels = out

    def build(self) -> None:
        self.add_conv("c1", 64, 3, 7)
        self.add_batch_norm("b1", 64)
        for name, channels, out, _ in self.blocks():
            self.add_conv(name + "_c1", out, channels, 3)
            self.add_batch_norm(name + "_b1", out)
            self.add_conv(name + "_c2", out, out, 3)
            self.add_batch_norm(name + "_b2", out)
            if channels != out:
                self.add_conv(name + "_cd", out, channels, 1)
                self.add_batch_norm(name + "_bd", out)
        self.add_linear("fc", 1000, 512)

    def draw(self, random: np.random.Generator) -> list[Array]:
        return [self.image(random, self.b, 3, 224, 224), *self.labels(random, self.b, 1000)]

    def forward(self, ops: Any, params: dict[str, Any], *inputs: Any, train: bool = False) -> Any:
        def conv_norm(x: Any, conv: str, norm: str, **options: int) -> Any:
            return ops.bn(ops.conv(x, params[conv + ".w"], **options), params, norm, train)

        x, *labels = inputs
        h = ops.relu(conv_norm(ops.image(x), "c1", "b1", stride=2, pad=3))
        h = ops.maxpool(h, 3, 2, 1)
        for name, channels, out, stride in self.blocks():
            t = ops.relu(conv_norm(h, name + "_c1", name + "_b1", stride=stride, pad=1))
            t = conv_norm(t, name + "_c2", name + "_b2", pad=1)
            if channels != out:
                h = conv_norm(h, name + "_cd", name + "_bd", stride=stride)
            h = ops.relu(ops.add(t, h))
        h = ops.linear(ops.gap(h), params["fc.w"], params["fc.b"])
        return ops.xent(h, *labels) if labels else h


class MobileNetV2(Workload):
    """MobileNetV2 on 3x224x224, inference."""

    atol = 1e-3
    b: int
    # expansion, output channels, repetitions, first stride
    STAGES = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def blocks(self) -> Iterator[tuple[int, int, int, int]]:
        """Input channels, output channels, expansion and stride of each block."""
        channels = 32
        for expansion, out, repetitions, stride in self.STAGES:
            for k in range(repetitions):
                yield channels, out, expansion, stride if k == 0 else 1
                channels = out

    def build(self) -> None:
        self.add_conv("c0", 32, 3, 3)
        self.add_batch_norm("b0", 32)
        for j, (channels, out, expansion, _) in enumerate(self.blocks()):
            hidden = channels * expansion
            if expansion != 1:
                self.add_conv(f"{j}e", hidden, channels, 1)
                self.add_batch_norm(f"{j}eb", hidden)
            self.add_conv(f"{j}d", hidden, 1, 3)
            self.add_batch_norm(f"{j}db", hidden)
            self.add_conv(f"{j}p", out, hidden, 1)
            self.add_batch_norm(f"{j}pb", out)
        self.add_conv("cl", 1280, 320, 1)
        self.add_batch_norm("bl", 1280)
        self.add_linear("fc", 1000, 1280)

    def draw(self, random: np.random.Generator) -> list[Array]:
        return [self.image(random, self.b, 3, 224, 224)]

    def forward(self, ops: Any, params: dict[str, Any], *inputs: Any, train: bool = False) -> Any:
        def conv_norm(x: Any, conv: str, norm: str, **options: int) -> Any:
            return ops.bn(ops.conv(x, params[conv + ".w"], **options), params, norm, train)

        x = ops.relu6(conv_norm(ops.image(inputs[0]), "c0", "b0", stride=2, pad=1))
        for j, (channels, out, expansion, stride) in enumerate(self.blocks()):
            h = x
            if expansion != 1:
                h = ops.relu6(conv_norm(h, f"{j}e", f"{j}eb"))
            depthwise = {"stride": stride, "pad": 1, "groups": channels * expansion}
            h = ops.relu6(conv_norm(h, f"{j}d", f"{j}db", **depthwise))
            h = conv_norm(h, f"{j}p", f"{j}pb")
            x = ops.add(x, h) if stride == 1 and channels == out else h
        x = ops.relu6(conv_norm(x, "cl", "bl"))
        return ops.linear(ops.gap(x), params["fc.w"], params["fc.b"])


class Transformer(Workload):
    """Blocks of attention and a two-layer network over a batch of sequences."""

    b: int
    D: int
    H: int
    F: int
    S: int
    L: int
    causal = False
    norm_first = False

    def add_blocks(self) -> None:
        for name in (f"l{layer}" for layer in range(self.L)):
            for projection in "qkvo":
                self.add_linear(f"{name}.{projection}", self.D, self.D)
            self.add_linear(name + ".f1", self.F, self.D)
            self.add_linear(name + ".f2", self.D, self.F)
            self.add_layer_norm(name + ".ln1", self.D)
            self.add_layer_norm(name + ".ln2", self.D)

    def blocks(self, ops: Any, params: dict[str, Any], x: Any) -> Any:
        """All blocks, on `x[b * S, D]`."""

        def linear(x: Any, name: str) -> Any:
            return ops.linear(x, params[name + ".w"], params[name + ".b"])

        def norm(x: Any, name: str) -> Any:
            return ops.layernorm(x, params[name + ".g"], params[name + ".b"])

        def attend(x: Any, layer: str) -> Any:
            heads = [
                ops.heads(linear(x, f"{layer}.{projection}"), self.b, self.S, self.H)
                for projection in "qkv"
            ]
            joined = ops.unheads(ops.attention(*heads, self.causal), self.b, self.S, self.D)
            return linear(joined, layer + ".o")

        def network(x: Any, layer: str) -> Any:
            return linear(ops.gelu(linear(x, layer + ".f1")), layer + ".f2")

        for layer in (f"l{index}" for index in range(self.L)):
            if self.norm_first:
                x = ops.add(x, attend(norm(x, layer + ".ln1"), layer))
                x = ops.add(x, network(norm(x, layer + ".ln2"), layer))
            else:
                x = norm(ops.add(x, attend(x, layer)), layer + ".ln1")
                x = norm(ops.add(x, network(x, layer)), layer + ".ln2")
        return x


class Bert(Transformer):
    """Two BERT-base layers, given embedded sequences."""

    D, H, F, S, L = 768, 12, 3072, 128, 2

    def build(self) -> None:
        self.add_blocks()
        if self.kind == "train":
            self.add_linear("cls", 2, self.D)

    def draw(self, random: np.random.Generator) -> list[Array]:
        x = self.image(random, self.b, self.S, self.D)
        return [x, *self.labels(random, self.b * self.S, 2)]

    def forward(self, ops: Any, params: dict[str, Any], *inputs: Any, train: bool = False) -> Any:
        x, *labels = inputs
        x = self.blocks(ops, params, ops.reshape(x, (self.b * self.S, self.D)))
        if not labels:
            return x
        return ops.xent(ops.linear(x, params["cls.w"], params["cls.b"]), *labels)


class Gpt(Transformer):
    """A four-layer causal language model with embeddings."""

    D, H, F, S, L, V = 256, 4, 1024, 256, 4, 1024
    lr = 1e-3
    causal = True
    norm_first = True

    def build(self) -> None:
        self.add("wte", (self.V, self.D), 0.1)
        self.add("wpe", (self.S, self.D), 0.1)
        self.add_blocks()
        self.add_layer_norm("lnf", self.D)
        self.add_linear("head", self.V, self.D)

    def draw(self, random: np.random.Generator) -> list[Array]:
        tokens = random.integers(0, self.V, (self.b, self.S))
        return [tokens, random.integers(0, self.V, self.b * self.S)]

    def forward(self, ops: Any, params: dict[str, Any], *inputs: Any, train: bool = False) -> Any:
        tokens, labels = inputs
        x = ops.add(ops.embed(params["wte"], tokens), ops.bcast0(params["wpe"]))
        x = self.blocks(ops, params, ops.reshape(x, (self.b * self.S, self.D)))
        x = ops.layernorm(x, params["lnf.g"], params["lnf.b"])
        return ops.xent(ops.linear(x, params["head.w"], params["head.b"]), labels)


class Lstm(Workload):
    """One LSTM layer over 64 steps, then a dense layer on the last state."""

    b: int
    INPUT, HIDDEN, STEPS = 256, 256, 64

    def build(self) -> None:
        self.add("wih", (4 * self.HIDDEN, self.INPUT))
        self.add("whh", (4 * self.HIDDEN, self.HIDDEN))
        self.add_constant("bias", 4 * self.HIDDEN, 0)
        self.add_linear("fc", 10, self.HIDDEN)

    def draw(self, random: np.random.Generator) -> list[Array]:
        x = self.image(random, self.STEPS, self.b, self.INPUT)
        return [x, *self.labels(random, self.b, 10)]

    def forward(self, ops: Any, params: dict[str, Any], *inputs: Any, train: bool = False) -> Any:
        x, *labels = inputs
        h = ops.lstm_last(x, params["wih"], params["whh"], params["bias"])
        h = ops.linear(h, params["fc.w"], params["fc.b"])
        return ops.xent(h, *labels) if labels else h


class Fused(Workload):
    """`softmax(layer_norm(gelu(x * a + b) + residual))`: one chain that memory bounds."""

    const_params = False
    rtol, atol = 1e-3, 1e-6
    ROWS, COLUMNS = 4096, 1024
    out_bytes = ROWS * COLUMNS * 4

    def draw(self, random: np.random.Generator) -> list[Array]:
        gain, bias = (np.full(self.COLUMNS, value, np.float32) for value in (1.1, 0.1))
        x = self.image(random, self.ROWS, self.COLUMNS)
        scale, shift = (self.image(random, self.COLUMNS) for _ in range(2))
        return [x, scale, shift, self.image(random, self.ROWS, self.COLUMNS), gain, bias]

    def forward(self, ops: Any, params: dict[str, Any], *inputs: Any, train: bool = False) -> Any:
        x, scale, shift, residual, gain, bias = inputs
        y = ops.add(ops.gelu(ops.add(ops.mul(x, scale), shift)), residual)
        return ops.softmax(ops.layernorm(y, gain, bias))

    def flops(self) -> int:
        return self.ROWS * self.COLUMNS * 30


def _all() -> Iterator[Workload]:
    for n in (256, 512, 1024, 2048):
        yield Gemm(f"gemm_{n}", m=n, n=n, k=n)
    for m, k, n in ((1, 4096, 4096), (32, 1024, 1024), (128, 784, 512)):
        yield GemmWeight(f"gemmw_{m}x{k}x{n}", m=m, k=k, n=n)
    for b in (1, 64, 256):
        yield Mlp(f"mlp_infer_b{b}", b=b)
    for b in (64, 256):
        for opt, lr in (("sgd", 0.05), ("adam", 1e-3)):
            yield Mlp(f"mlp_train_{opt}_b{b}", b=b, kind="train", opt=opt, lr=lr)
    for b in (1, 64):
        yield LeNet(f"lenet_infer_b{b}", b=b)
    yield LeNet("lenet_train_b64", b=64, kind="train", opt="sgd")
    for b in (1, 8):
        yield ResNet18(f"resnet18_infer_b{b}", b=b)
    yield ResNet18("resnet18_train_b4", b=4, kind="train", opt="sgd", lr=1e-3)
    yield MobileNetV2("mobilenetv2_infer_b1", b=1)
    yield Bert("bert2l_infer_b1", b=1)
    yield Bert("bert2l_train_b4", b=4, kind="train", opt="sgd", lr=1e-2)
    yield Gpt("gpt4l_train_b8", b=8, kind="train", opt="adam")
    yield Lstm("lstm_train_b32", b=32, kind="train", opt="sgd", lr=0.1)
    yield Fused("fused_4096x1024")


WORKLOADS = {workload.name: workload for workload in _all()}
