"""Networks that MXNet 1.9.1 exported compute here what they computed there."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnc import autograd, gluon, nd
from nnc.errors import OptionError, ShapeError
from nnc.gluon.mxnet_symbol import MXNetNetwork

HERE = Path(__file__).parent


def imported(name: str, *inputs: str) -> Any:
    return gluon.SymbolBlock.imports(HERE / f"{name}-symbol.json", inputs, HERE / f"{name}.params")


def arrays(name: str) -> Any:
    return nd.load(HERE / f"{name}.params")


def graph(*nodes: tuple[str, str, dict[str, str], list[list[int]]], key: str = "attrs") -> str:
    """A file of these nodes, of which the last is the result."""
    entries = [{"op": op, "name": name, key: of, "inputs": to} for op, name, of, to in nodes]
    return json.dumps({"nodes": entries, "heads": [[len(nodes) - 1, 0, 0]]})


DATA = ("null", "data", {}, [])


def test_an_exported_network() -> None:
    expected = arrays("output")["output"].asnumpy()
    net = imported("exported", "data")
    np.testing.assert_allclose(net(nd.ones((1, 1, 3, 3))).asnumpy(), expected, rtol=1e-5)
    net.hybridize()
    np.testing.assert_allclose(net(nd.ones((1, 1, 3, 3))).asnumpy(), expected, rtol=1e-5)


def test_operators_of_two_inputs_and_results() -> None:
    known = arrays("operators-output")
    net = imported("operators", "data0", "data1")
    for result, name in zip(net(known["image"], known["words"]), ("first", "second"), strict=True):
        np.testing.assert_allclose(result.asnumpy(), known[name].asnumpy(), rtol=1e-5, atol=1e-6)


def test_it_can_be_trained_and_exported_again(tmp_path: Path) -> None:
    net = imported("exported", "data")
    x = nd.array(np.random.default_rng(0).normal(size=(4, 1, 3, 3)))
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    before = {name: p.data().asnumpy() for name, p in net.collect_params().items()}
    losses: list[float] = []
    for _ in range(3):
        with autograd.record():
            loss = (net(x) ** 2).mean()
        loss.backward()
        trainer.step(1)
        losses.append(loss.item())
    after = {name: p.data().asnumpy() for name, p in net.collect_params().items()}
    moved = {name for name in after if not np.array_equal(before[name], after[name])}
    assert {name.rpartition("_")[2] for name in moved} >= {"weight", "bias", "mean", "var"}
    assert losses[2] < losses[1] < losses[0]
    net.hybridize()
    net(x)
    files = net.export(tmp_path / "again")
    again = gluon.SymbolBlock.imports(files[0], "data", files[1])
    np.testing.assert_array_equal(again(x).asnumpy(), net(x).asnumpy())


def test_losses_of_modules_predict_without_labels() -> None:
    label = ("null", "softmax_label", {}, [])
    text = graph(DATA, label, ("SoftmaxOutput", "softmax", {}, [[0, 0], [1, 0]]), key="param")
    net = MXNetNetwork(text, "data")
    np.testing.assert_allclose(net(nd.zeros((2, 4))).asnumpy(), np.full((2, 4), 0.25))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no nodes, names, inputs and heads"),
        ('{"nodes": [], "heads": [[0, 0]]}', "its results are no nodes of the graph"),
        ('{"nodes": 3, "heads": []}', "no nodes, names, inputs and heads"),
        (graph(DATA, ("relu", "r", {}, [[1, 0]])), "node 'r' comes before one of its inputs"),
        (graph(DATA, ("MakeTea", "t", {}, [[0, 0]])), "node 't' is MakeTea, which nnc has not"),
        (
            graph(DATA, ("__class__", "t", {}, [[0, 0]])),
            "node 't' is __class__, which nnc has not",
        ),
        (
            graph(DATA, ("load", "t", {"filename": "secret.params"}, [])),
            "node 't' is load, which nnc has not",
        ),
        (
            graph(DATA, ("FullyConnected", "f", {}, [[0, 0]])),
            "node 'f' does not fit FullyConnected: missing a required argument: 'weight'",
        ),
        (
            graph(DATA, ("Pooling", "p", {"layout": "NHWC"}, [[0, 0]])),
            "node 'p' is Pooling with layout=NHWC, which nnc has not",
        ),
        (graph(("null", "x", {}, [])), "it has no input called 'data'"),
    ],
)
def test_files_that_cannot_be_imported(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "net-symbol.json"
    file.write_text(text)
    with pytest.raises(
        OptionError, match=re.escape(f"is not a network that MXNet wrote: {message}")
    ):
        gluon.SymbolBlock.imports(file, "data")


def test_a_file_without_parameters_and_calls_that_do_not_fit() -> None:
    net = gluon.SymbolBlock.imports(HERE / "exported-symbol.json", "data")
    with pytest.raises(Exception, match="initialize"):
        net(nd.ones((1, 1, 3, 3)))
    with pytest.raises(ShapeError, match=r"expected inputs \['data'\], given 2"):
        net(nd.ones((1, 1, 3, 3)), nd.ones(1))
    with pytest.raises(OptionError, match="does not fit the network"):
        gluon.SymbolBlock.imports(HERE / "exported-symbol.json", "data", HERE / "operators.params")
