"""`export` and `SymbolBlock`: the network that comes back is the one that went, to the last bit."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd
from nnc.arrays.array import NDArray
from nnc.errors import IndexingError, OptionError, ShapeError
from nnc.gluon import nn, rnn
from nnc.gluon.export import extrapolated
from nnc.tools.nnc_opt import main

Arrays = list[NDArray]


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


def draw(*shape: int) -> NDArray:
    return nd.array(np.random.default_rng(len(shape)).standard_normal(shape))


def exported(net: Any, path: Path, *inputs: NDArray) -> tuple[str, str]:
    """The files of a network after one call."""
    net.initialize(nnc.init.Normal(0.3))
    net.hybridize()
    net(*inputs)
    return net.export(path / "net")


def imported(files: tuple[str, str], inputs: int = 1) -> Any:
    names = ["data"] if inputs == 1 else [f"data{i}" for i in range(inputs)]
    return gluon.SymbolBlock.imports(files[0], names, files[1])


def flat(tree: Any) -> Arrays:
    return [tree] if isinstance(tree, NDArray) else [a for part in tree for a in flat(part)]


def check_same(results: Any, others: Any) -> None:
    for result, other in zip(flat(results), flat(others), strict=True):
        np.testing.assert_array_equal(result.asnumpy(), other.asnumpy())


def trained(net: Any, inputs: Arrays) -> dict[str, Any]:
    """The parameters after three steps."""
    nnc.random.seed(1)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
    for _ in range(3):
        with autograd.record():
            loss = (flat(net(*inputs))[0] ** 2).mean()
        loss.backward()
        trainer.step(1)
    return {name: p.data().asnumpy() for name, p in net.collect_params().items()}


class Several(gluon.HybridBlock):
    """Constants, several inputs and results, the number of samples as a number."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Dense(3)
        self.mask = nd.array([[1, 0, 1]]) * 2

    def forward(self, x: NDArray, pair: Arrays) -> Any:
        y = self.dense(x) * self.mask + pair[0]
        return y, [pair[1] * x.shape[0], nd.full((x.shape[0],), 0.1)]


def pixels() -> nn.HybridSequential:
    return nn.HybridSequential(
        nn.Conv2D(2, 3, activation="relu"), nn.BatchNorm(), nn.MaxPool2D(), nn.Dropout(0.3),
        nn.Dense(4, "tanh"), nn.Dropout(0.5), nn.Dense(3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "inputs", "others"),
    [
        (pixels, [draw(2, 1, 6, 6)], [draw(5, 1, 6, 6)]),
        (lambda: rnn.LSTM(3, 2, layout="NTC", dropout=0.4), [draw(2, 3, 2)], [draw(4, 3, 2)]),
        (lambda: nn.MultiHeadAttention(4, 2), [draw(1, 3, 4)], [draw(2, 3, 4)]),
    ],
    ids=["pixels", "recurrent", "attention"],
)
def test_what_comes_back_computes_and_learns_the_same(
    make: Any, inputs: Arrays, others: Arrays, tmp_path: Path
) -> None:
    """For another number of samples, too; statistics and random draws included."""
    net = make()
    again = imported(exported(net, tmp_path, *inputs))
    for given in (inputs, others):
        check_same(net(*given), again(*given))
    expected, found = trained(net, others), trained(again, others)
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_compiled_code_gives_the_same_bits(tmp_path: Path) -> None:
    nnc.configure(backend="compile")
    net, x = nn.HybridSequential(nn.Dense(16, "tanh"), nn.Dropout(0.5), nn.Dense(3)), draw(9, 20)
    again = imported(exported(net, tmp_path, draw(2, 20)))
    check_same(net(x), again(x))
    expected, found = trained(net, [x]), trained(again, [x])
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_networks_of_one_shape_are_compiled_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was generated for one is not what the cache has for the other."""
    monkeypatch.setenv("NNC_CACHE", str(tmp_path))
    x, networks = draw(2, 3), [nn.Dense(3, "relu"), nn.Dense(3, "tanh")]
    loaded = [imported(exported(net, tmp_path, x)) for net in networks]
    expected = [net(x).asnumpy() for net in networks]
    nnc.configure(backend="compile")
    for again, values in zip(loaded, expected, strict=True):
        np.testing.assert_allclose(again(x).asnumpy(), values, rtol=1e-5, atol=1e-6)


def test_indices_are_looked_at(tmp_path: Path) -> None:
    net = nn.HybridSequential(nn.Embedding(5, 2), nn.Dense(2))
    again = imported(exported(net, tmp_path, nd.array([[1, 2]], dtype="int32")))
    given = nd.array([[4, 0], [2, 3]], dtype="int32")
    check_same(net(given), again(given))
    message = "SymbolBlock: labels and indices go from 0 to 4, given 0 to 5"
    with pytest.raises(IndexingError, match=message):
        again(nd.array([[0, 5]], dtype="int32"))
    compiled = nnc.compile(again, given)
    with pytest.raises(IndexingError, match=message):
        compiled(given + nd.array([[1, 0], [0, 0]], dtype="int32"))


def test_several_inputs_and_results(tmp_path: Path) -> None:
    net, x, y, z = Several(), draw(2, 4), draw(2, 3), draw(2, 1)
    net.initialize()
    net.hybridize()
    net(x, [y, z])
    files = net.export(tmp_path / "net", epoch=7)
    assert files == (str(tmp_path / "net-symbol.mlir"), str(tmp_path / "net-0007.params"))
    again = imported(files, 3)
    assert list(again.collect_params()) == ["dense.weight", "dense.bias", "constant0"]
    check_same(net(x, [y, z]), again(x, y, z))
    ones = [nd.ones((6, *a.shape[1:])) for a in (x, y, z)]
    check_same(net(ones[0], ones[1:]), again(*ones))
    turned = gluon.SymbolBlock.imports(files[0], ["data2", "data0", "data1"], files[1])
    check_same(again(x, y, z), turned(z, x, y))
    taken = "data0: float32[2, 4], data1: float32[2, 3], data2: float32[2, 1]"
    assert repr(turned) == f"SymbolBlock({taken})"


def test_an_imported_network_is_part_of_another_and_is_exported_again(tmp_path: Path) -> None:
    body = imported(exported(pixels(), tmp_path, draw(2, 1, 6, 6)))
    net = nn.HybridSequential(body, nn.Dense(2))
    x = draw(3, 1, 6, 6)
    net[1].initialize()
    before = body.collect_params()["0.weight"].data().asnumpy()
    values = trained(net, [x])
    assert list(values)[:2] == ["0.0.weight", "0.0.bias"]
    assert (values["0.0.weight"] != before).all()
    net.hybridize()
    check_same(net(x), imported(net.export(tmp_path / "whole"))(x))


def test_frozen_parameters_and_a_file_without_values(tmp_path: Path) -> None:
    symbol, _ = exported(pixels(), tmp_path, draw(2, 1, 6, 6))
    net = gluon.SymbolBlock.imports(symbol, "data", ctx=nnc.cpu())
    net.initialize()
    net.collect_params(".*weight").setattr("grad_req", "null")
    before = net.collect_params()["0.weight"].data().asnumpy()
    values = trained(net, [draw(2, 1, 6, 6)])
    np.testing.assert_array_equal(values["0.weight"], before)
    assert net.collect_params()["1.running_mean"].grad_req == "null"


def averaged(x: NDArray) -> NDArray:
    return x * (1 / x.shape[0])


def test_what_depends_on_the_number_of_samples_is_exported_for_one(tmp_path: Path) -> None:
    net = nn.HybridLambda(averaged)
    again = imported(exported(net, tmp_path, draw(2, 3)))
    check_same(net(draw(2, 3)), again(draw(2, 3)))
    with pytest.raises(ShapeError, match=r"expected float32\[2, 3\], given float32\[5, 3\]; "
                       "the network was exported for this shape only"):  # fmt: skip
        again(draw(5, 3))


class Learned(gluon.HybridBlock):
    """No inputs at all."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = gluon.Parameter("weight", shape=(2,))

    def forward(self) -> NDArray:
        return self.weight.data() * 2


def test_a_network_without_inputs(tmp_path: Path) -> None:
    net = Learned()
    files = exported(net, tmp_path)
    check_same(net(), gluon.SymbolBlock.imports(files[0], [], files[1])())


def test_texts_are_continued_where_they_differ_in_integers() -> None:
    assert extrapolated("a 2x14 1.5", "a 3x21 1.5", 2) == "a 4x28 1.5"
    assert extrapolated("a 2", "b 3", 1) is None


def test_inputs_of_other_shapes_or_types(tmp_path: Path) -> None:
    net = imported(exported(nn.Dense(2), tmp_path, draw(2, 3)))
    with pytest.raises(
        ShapeError, match=r"'data': expected float32\[5, 3\], given float32\[5, 4\]$"
    ):
        net(draw(5, 4))
    with pytest.raises(ShapeError, match=r"expected float32\[2, 3\], given float64\[2, 3\]"):
        net(draw(2, 3).astype("float64"))
    with pytest.raises(ShapeError, match="expected 1 inputs, given 2"):
        net(draw(2, 3), draw(2, 3))
    with pytest.raises(OptionError, match="cast the network before it is exported"):
        net.cast("float16")
    with pytest.raises(
        OptionError, match=r"export: call net.hybridize\(\) and then the network once"
    ):
        nn.Dense(2).export(str(tmp_path / "net"))
    with pytest.raises(FileNotFoundError):
        gluon.SymbolBlock.imports(str(tmp_path / "none"), "data")


def reading(x: NDArray) -> NDArray:
    return x * float(x.sum())


def test_names_that_no_file_can_hold(tmp_path: Path) -> None:
    net = nn.HybridSequential()
    net.register_child(nn.Dense(2), 'a "b"')
    with pytest.raises(OptionError, match=r"""export: 'a "b".weight': names have letters"""):
        exported(net, tmp_path, draw(2, 3))


def test_a_network_that_looks_at_numbers_cannot_be_exported(tmp_path: Path) -> None:
    net = nn.HybridLambda(reading)
    with pytest.raises(nnc.NncError, match="export: its body is recorded before its arrays have"):
        exported(net, tmp_path, draw(2, 3))
    assert not list(tmp_path.iterdir())


GOOD = """builtin.module {
  func.func @main(%data: tensor<2x3xf32> {nnc.name = "data", nnc.role = "input"},
      %w: tensor<3xf32> {nnc.name = "w", nnc.role = "parameter"}) -> tensor<2x3xf32> {
    %0 = nn.broadcast %w {dimensions = [1]} : tensor<3xf32> -> tensor<2x3xf32>
    %1 = nn.mul %data, %0 : tensor<2x3xf32>
    func.return %1 : tensor<2x3xf32>
  }
}"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2x3", "2*3", "line 2: Expected"),
        ("nn.mul", "nn.mull", "not registered"),
        ('"w"', '"w', "line 3: a string does not end"),
        ("@main", "@other", "expected functions"),
        ("nn.mul %data, %0", "nn.mul %data, %w", "operand is used with type"),
        ("%1 = nn.mul %data, %0", "%1 = nn.mul %data, %2", r"values used but not defined: \[%2\]"),
        ('"parameter"', '"food"', "no array with a name and a role: 'w', 'food'"),
        ('"w"', '"w */ system()"', "no array with a name and a role"),
        ('"w"', '"data"', "two of its arguments have one name"),
        ('"parameter"', '"scalar"', "'w' is a number without a value"),
        ('"parameter"', '"parameter", nnc.layout = array<i64: 3>', r"'w': layout \[3\] of float32"),
        (") -> tensor<2x3xf32> {", ") -> tensor<2x3xf32> attributes {nnc.tied = array<i64: 9>} {",
         "its results are not outputs"),
        ("%1 = nn.mul", "%2 = builtin.unrealized_conversion_cast to i32\n %1 = nn.mul",
         "builtin.unrealized_conversion_cast does not belong into a network"),
        ("2x3", "?x3", "shapes must be static"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_explained(old: str, new: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "net-symbol.mlir"
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(
        OptionError, match=f"net-symbol.mlir is not a network that export .*{message}"
    ):
        gluon.SymbolBlock.imports(file, "data")


def test_files_that_are_no_text_or_of_another_network(tmp_path: Path) -> None:
    file = tmp_path / "net-symbol.mlir"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(OptionError, match="is no text, as export writes it"):
        gluon.SymbolBlock.imports(file, "data")
    file.write_text(GOOD)
    with pytest.raises(OptionError, match=r"its inputs are called \['data'\], given \['x'\]"):
        gluon.SymbolBlock.imports(file, ["x"])
    nd_file = exported(nn.Dense(2), tmp_path, draw(2, 3))[1]
    file.write_text(GOOD)
    with pytest.raises(OptionError, match=r"does not fit the network: it lacks \['w'\]"):
        gluon.SymbolBlock.imports(file, "data", nd_file)
    net = gluon.SymbolBlock.imports(file, "data", nd_file, None, True, True)
    with pytest.raises(nnc.errors.DeferredInitializationError, match="'w' has not been init"):
        net(draw(2, 3))


def test_two_programs_that_do_not_belong_together(tmp_path: Path) -> None:
    second = GOOD.replace("@main", "@main_next").replace("mul", "add").partition("\n")[2]
    file = tmp_path / "net-symbol.mlir"
    file.write_text(GOOD.rpartition("}")[0] + second)
    with pytest.raises(OptionError, match="two of its programs differ in more than the number of"):
        gluon.SymbolBlock.imports(file, "data")
    second = GOOD.replace("@main", "@main_next").replace('"w"', '"w2"').partition("\n")[2]
    file.write_text(GOOD.replace('"w"', '"w1"').rpartition("}")[0] + second)
    with pytest.raises(OptionError, match="two of its programs differ in more than the number of"):
        gluon.SymbolBlock.imports(file, "data")
    file.write_text(GOOD.replace("@main", "@main_next"))
    with pytest.raises(OptionError, match="it has no function @main"):
        gluon.SymbolBlock.imports(file, "data")


def test_the_file_is_a_program_for_nnc_opt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    symbol, _ = exported(nn.BatchNorm(), tmp_path, draw(2, 3))
    monkeypatch.setattr("sys.argv", ["nnc-opt", symbol, "-p", "lower{target=c99}", "-t", "c"])
    main()
    assert "int program(void *const *arguments" in capsys.readouterr().out


def test_c_says_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights as they lie in memory, numbers of the program; turning an axis needs none."""

    class Net(nn.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(2, flatten=False)

        def forward(self, x: Any) -> Any:
            return nd.flip(self.dense(x), axis=0) * 0.75

    symbol, _ = exported(Net(), tmp_path, draw(2, 3))
    monkeypatch.setattr("sys.argv", ["nnc-opt", symbol, "-p", "infer-c99", "-t", "c"])
    main()
    text = capsys.readouterr().out
    arguments = re.findall(r"arguments\[(\d)\]; /\* (.*) \*/", text)
    assert arguments == [
        ("0", "data[2,3]"),
        ("1", "dense.weight[3,2], axes 1, 0"),
        ("2", "dense.bias[2]"),
        ("3", "number0, 0.75"),
        ("4", "output[2,2]"),
    ]
