"""Tables and drawings of networks: which boxes there are, what they say, and what goes between."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd, visualization
from nnc.errors import NncError
from nnc.gluon import nn, rnn

SHAPE = {"data": (2, 3, 8, 8)}


class Net(gluon.HybridBlock):
    """Layers in a row, one of them used twice, and operations between them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.HybridSequential(nn.Conv2D(4, 3, padding=1), nn.BatchNorm())
        self.pool = nn.MaxPool2D()
        self.head = nn.HybridSequential(nn.Dense(5, "relu"), nn.Dropout(0.5), nn.Dense(3))

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        y = self.pool(self.body(x) + self.body[0](x))
        return self.head(y).softmax()


def network() -> Net:
    net = Net()
    net.initialize()
    return net


def drawing(symbol: Any, **options: Any) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """The boxes with what is written on them, and the arrows from, to, and their labels."""
    source = visualization.plot_network(symbol, **options).source.replace('"', "")
    boxes = re.findall(r"\t([\w.]+) \[label=([^\]]*?) (?:fillcolor|fontname)", source)
    arrows = re.findall(r"\t([\w.]+) -> ([\w.]+) \[label=(.*?) arrowtail", source)
    return dict(boxes), [(to, of, label) for of, to, label in arrows]


def test_boxes_and_arrows() -> None:
    boxes, arrows = drawing(network(), shape=SHAPE)
    assert boxes == {
        "data": "data",
        "body.0": "Conv2D\n3 -> 4, kernel_size=(3, 3),\nstride=(1, 1)\nbody.0",
        "body.1": "BatchNorm\nbody.1",
        "body.0_2": "Conv2D\n3 -> 4, kernel_size=(3, 3),\nstride=(1, 1)\nbody.0_2",
        "add": "add",
        "pool": "MaxPool2D\nsize=(2, 2), stride=(2, 2)\npool",
        "head.0": "Dense\n64 -> 5, Activation(relu)\nhead.0",
        "head.1": "Dropout\np = 0.5\nhead.1",
        "head.2": "Dense\n5 -> 3, linear\nhead.2",
        "softmax": "softmax",
    }
    assert arrows == [
        ("data", "body.0", "2x3x8x8"),
        ("body.0", "body.1", "2x4x8x8"),
        ("data", "body.0_2", "2x3x8x8"),
        ("body.1", "add", "2x4x8x8"),
        ("body.0_2", "add", "2x4x8x8"),
        ("add", "pool", "2x4x8x8"),
        ("pool", "head.0", "2x4x4x4"),
        ("head.0", "head.1", "2x5"),
        ("head.1", "head.2", "2x5"),
        ("head.2", "softmax", "2x3"),
    ]


def test_colors_are_those_of_the_kind() -> None:
    source = visualization.plot_network(network(), shape=SHAPE).source
    found = dict(re.findall(r'\t"?([\w.]+)"? \[label=[^\]]*?fillcolor="(#\w+)"', source))
    kinds = {name: kind for name, color in found.items() for kind in kinds_of(color)}
    assert kinds == {
        "data": "input",
        "body.0": "product",
        "body.1": "norm",
        "body.0_2": "product",
        "add": "other",
        "pool": "pool",
        "head.0": "product",
        "head.1": "other",
        "head.2": "product",
        "softmax": "softmax",
    }
    assert re.search(r"\tdata \[.*shape=oval", source)


def kinds_of(color: str) -> list[str]:
    return [kind for kind, known in visualization.COLORS.items() if known == color]


def test_a_drawing_changes_nothing() -> None:
    """No statistics, no random numbers, and nothing that waits to be computed."""
    net = network()
    net(nd.ones(SHAPE["data"]))
    nnc.random.seed(5)
    waiting = nd.ones((2,)) + 1
    visualization.plot_network(net, shape=SHAPE)
    drawn = nnc.random.uniform(shape=(3,)).asnumpy()
    nnc.random.seed(5)
    np.testing.assert_array_equal(nnc.random.uniform(shape=(3,)).asnumpy(), drawn)
    statistics = net.collect_params("running_mean")["body.1.running_mean"]
    assert not statistics.data().asnumpy().any()
    assert waiting.tolist() == [2, 2]
    assert not autograd.is_training()


def test_weights_and_types() -> None:
    """With their weights, and the types of what goes along; several inputs, by name or in order."""

    class Add(gluon.Block):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(7, 4)
            self.scale = gluon.Parameter("scale", shape=(4,), init="ones")

        def forward(self, tokens: nd.NDArray, x: nd.NDArray) -> nd.NDArray:
            return self.embedding(tokens) * self.scale.data() + x

    net = Add()
    net.initialize()
    shapes, types = {"tokens": (2,), "x": (2, 4)}, {"tokens": "int32"}
    boxes, arrows = drawing(net, shape=shapes, dtype=types, hide_weights=False)
    assert boxes["embedding.weight"] == "embedding.weight"
    assert arrows == [
        ("tokens", "embedding", "2 (int32)"),
        ("embedding.weight", "embedding", "7x4 (float32)"),
        ("embedding", "multiply", "2x4 (float32)"),
        ("scale", "multiply", "4 (float32)"),
        ("multiply", "add", "2x4 (float32)"),
        ("x", "add", "2x4 (float32)"),
    ]
    boxes, _ = drawing(net, shape=[(2,), (2, 4)])
    assert list(boxes) == ["data", "data1", "embedding", "multiply", "add"]


def test_recorded_arrays() -> None:
    x, w = nd.ones((2, 3)), nd.ones((4, 3))
    w.attach_grad()
    with autograd.record():
        loss = (nd.dot(x, w.T) * 2).square().sum()
    boxes, arrows = drawing(loss)
    assert boxes["reduce"] == "reduce\nsum"
    assert [(of, to) for of, to, _ in arrows] == [
        ("input0", "transpose"),
        ("input1", "matmul"),
        ("transpose", "matmul"),
        ("matmul", "multiply"),
        ("multiply", "square"),
        ("square", "reduce"),
    ]


def test_layers_of_several_blocks_are_one_box() -> None:
    net = rnn.LSTM(5, dropout=0.5, num_layers=2)
    net.initialize()
    boxes, arrows = drawing(net, shape=(3, 1, 4))
    assert boxes == {"data": "data", "lstm": "LSTM\n4 -> 5, TNC, num_layers=2\nlstm"}
    assert arrows == [("data", "lstm", "3x1x4")]


def test_exported_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A box for each operation that was recorded, whatever the number of samples."""
    net = nn.HybridSequential(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Dense(5, "relu"), nn.Dense(2))
    net.initialize()
    net.hybridize()
    net(nd.ones((2, 3, 4, 4)))
    symbol, parameters = net.export(str(tmp_path / "net"))
    block = gluon.SymbolBlock.imports(symbol, ["data"], parameters)
    boxes, arrows = drawing(block, shape=(7, 3, 4, 4), hide_weights=False)
    steps = ["data", "convolve", "batch_norm", "dense", "relu", "dense_2"]
    assert [name for name in boxes if "." not in name] == steps
    assert [(of, to, label) for of, to, label in arrows if "." not in of] == [
        ("data", "convolve", "7x3x4x4"),
        ("convolve", "batch_norm", "7x4x2x2"),
        ("batch_norm", "dense", "7x4x2x2"),
        ("dense", "relu", "7x5"),
        ("relu", "dense_2", "7x5"),
    ]
    assert ("0.weight", "convolve", "4x3x3x3") in arrows
    visualization.print_summary(block, (7, 3, 4, 4), 60)
    learned = sum(p.data().size for p in net.collect_params("weight|bias|gamma|beta").values())
    assert f"Total params: {learned}\n" in capsys.readouterr().out


def test_what_graphviz_is_told() -> None:
    made = visualization.plot_network(
        nn.Flatten(), "net", "svg", {"image": (1, 2, 2)}, node_attrs={"shape": "plain"}
    )
    assert (made.name, made.format) == ("net", "svg")
    assert "shape=plain" in made.source
    assert "flatten -> image" in made.source


SUMMARY = """\
____________________________________________________________
Layer (type)             Output Shape Param # Previous Layer
============================================================
data (input)             2x3x8x8      0
____________________________________________________________
body.0 (Conv2D)          2x4x8x8      112     data
____________________________________________________________
body.1 (BatchNorm)       2x4x8x8      8       body.0
____________________________________________________________
body.0_2 (Conv2D)        2x4x8x8      112     data
____________________________________________________________
add (add)                2x4x8x8      0       body.1
                                              body.0_2
____________________________________________________________
pool (MaxPool2D)         2x4x4x4      0       add
____________________________________________________________
head.0 (Dense)           2x5          325     pool
____________________________________________________________
head.1 (Dropout)         2x5          0       head.0
____________________________________________________________
head.2 (Dense)           2x3          18      head.1
____________________________________________________________
softmax (softmax)        2x3          0       head.2
============================================================
Total params: 463
____________________________________________________________
"""


@pytest.mark.parametrize("positions", [(25, 38, 46, 60), (25 / 60, 38 / 60, 46 / 60, 1)])
def test_summary(positions: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What a layer that is used twice learns counts once."""
    visualization.print_summary(network(), SHAPE, line_length=60, positions=positions)
    assert capsys.readouterr().out == SUMMARY


def test_long_names_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    visualization.print_summary(network(), SHAPE, 40, (0.2, 0.5, 0.7, 1.0))
    lines = capsys.readouterr().out.splitlines()
    assert lines[5] == "body.0  2x4x8x8     112     data"
    assert max(map(len, lines)) == 40


def asks_for_a_value(x: nd.NDArray) -> nd.NDArray:
    return x * x.sum().item()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda: visualization.plot_network(network()),
            "visualization: a network needs the shapes of its inputs, as "
            "shape={'data': (1, 3, 32, 32)}",
        ),
        (
            lambda: visualization.plot_network(Net(), shape=SHAPE),
            "parameter 'body.0.weight' has not been initialized; call net.initialize() first",
        ),
        (
            lambda: visualization.print_summary(nd.array([1, 2])),
            "visualization: the array is not recorded; give one that was made inside of "
            "autograd.record(), or a network with the shape of its input",
        ),
        (
            lambda: visualization.print_summary("net"),
            "visualization: symbol: expected an array of nnc or a list of them, given 'net'",
        ),
        (
            lambda: visualization.print_summary(network(), {"data": (2, 3)}),
            "Conv2D: expected images (N, C, H, W), given shape (2, 3)",
        ),
        (
            lambda: visualization.print_summary(nn.Lambda(asks_for_a_value), (2, 3)),
            "visualization: its body is recorded before its arrays have values, so asnumpy(), "
            "item(), bool() and print() cannot be used in it; choose with nnc.nd.where or "
            "nnc.nd.contrib.cond",
        ),
    ],
)
def test_mistakes(mistake: Callable[[], Any], message: str) -> None:
    with pytest.raises(NncError) as caught:
        mistake()
    assert str(caught.value) == message


def test_without_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(NncError, match=r"plot_network needs graphviz: pip install 'nnc\[demo\]'"):
        visualization.plot_network(nn.Flatten(), shape=(2, 3))
