"""Initial values: their distribution, the seed they follow, and whose choice counts."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnc import autograd, gluon, init, nd, random
from nnc.errors import NncError
from nnc.gluon import nn, rnn

Memory = np.ndarray[Any, Any]


def values(layer: gluon.Block, source: Any = None) -> dict[str, Memory]:
    layer.initialize(source)
    return {name: p.data().asnumpy() for name, p in layer.collect_params().items()}


@pytest.mark.parametrize(
    ("made", "deviation"),
    [
        (init.MSRAPrelu(), math.sqrt(2 / (1 + 0.25**2) / ((64 + 32) * 9 / 2))),
        (init.MSRAPrelu("in", 0), math.sqrt(2 / (32 * 9))),
        (init.MSRAPrelu("out", 1), math.sqrt(1 / (64 * 9))),
        (init.create("xavier", magnitude=2, rnd_type="gaussian"), math.sqrt(2 / (96 * 9 / 2))),
        (init.create("uniform", 0.3), 0.3 / math.sqrt(3)),
        (init.create("normal"), 0.01),
    ],
    ids=lambda given: type(given).__name__,
)
def test_deviation(made: init.Initializer, deviation: float) -> None:
    random.seed(7)
    drawn = made((64, 32, 3, 3))
    assert drawn.std() == pytest.approx(deviation, rel=0.02)
    assert abs(drawn.mean()) < deviation / 50
    random.seed(7)
    np.testing.assert_array_equal(made((64, 32, 3, 3)), drawn)


@pytest.mark.parametrize("rand_type", ["uniform", "normal"])
def test_orthogonal_rows_or_columns(rand_type: str) -> None:
    made = init.Orthogonal(2, rand_type)
    for shape in ((3, 2, 4), (8, 5)):
        rows = made(shape).reshape(shape[0], -1)
        product = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
        np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_bias_of_the_forget_gate() -> None:
    assert init.LSTMBias(3)((8,)).tolist() == [0, 0, 3, 3, 0, 0, 0, 0]
    cell = rnn.LSTMCell(2, input_size=1, i2h_bias_initializer=init.LSTMBias())
    assert values(cell)["i2h_bias"].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(("projection", "given"), [(None, 2), (3, 3)])
def test_all_parameters_of_recurrent_layers(projection: int | None, given: int) -> None:
    """Two layers of two directions with 5 inputs: 4 gates of 2, the forget gates' biases 1."""
    ones = [init.Constant(i) for i in (1, 2, 3)]
    made = init.RNNFused(
        "lstm", 2, 2, True, projection, ones[0], ones[1], init.LSTMBias(), "zeros", ones[2]
    )
    layers: list[float] = []
    for inputs in (5, 2 * given):
        projected = [3.0] * (given * 2) if projection else []
        layers += ([1.0] * (8 * inputs) + [2.0] * (8 * given) + projected) * 2
    biases = ([0.0, 0, 1, 1, 0, 0, 0, 0] + [0.0] * 8) * 4
    assert made((len(layers + biases),)).tolist() == layers + biases
    with pytest.raises(NncError, match="RNNFused: no size of inputs makes a vector of shape"):
        made((len(layers + biases) + 1,))


@pytest.mark.parametrize("size", [3, 4])
def test_bilinear_kernels_enlarge_images(size: int) -> None:
    """MXNet's formula, element by element; inside of the image a constant stays the same."""
    kernel = init.Bilinear()((2, 1, size, size))
    half = math.ceil(size / 2)
    center = (2 * half - 1 - half % 2) / (2 * half)
    for y, x in np.ndindex(size, size):
        expected = (1 - abs(x / half - center)) * (1 - abs(y / half - center))
        np.testing.assert_allclose(kernel[:, 0, y, x], expected)
    layer = nn.Conv2DTranspose(
        1, 4, strides=2, padding=1, in_channels=1, weight_initializer="bilinear"
    )
    layer.initialize()
    enlarged = layer(nd.ones((1, 1, 3, 3))).asnumpy()
    np.testing.assert_allclose(enlarged[..., 1:-1, 1:-1], 1, rtol=1e-6)


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Dense(2, in_units=3), nn.Dense(2, in_units=2, weight_initializer="ones")
    )


def test_initializers_by_name() -> None:
    """The first pattern that is found counts, before what a layer has chosen."""
    mixed = init.Mixed(["0.*bias", "bias", ".*"], [init.Constant(5), "ones", "zeros"])
    found = values(network(), mixed)
    assert {name: x.mean() for name, x in found.items()} == {
        "0.weight": 0,
        "0.bias": 5,
        "1.weight": 0,
        "1.bias": 1,
    }


def test_a_layer_s_choice_counts_before_the_network_s() -> None:
    found = values(network(), init.Constant(4))
    means = [found[name].mean() for name in ("0.weight", "0.bias", "1.weight", "1.bias")]
    assert means == [4, 0, 1, 0]


def test_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a file or a dict; what is not in it is drawn, if there is a default."""
    saved = network()
    before = values(saved, "normal")
    saved.save_parameters(str(tmp_path / "net.params"))
    after = values(network(), init.Load(str(tmp_path / "net.params")))
    for name, expected in before.items():
        np.testing.assert_array_equal(after[name], expected)
    some = {"arg:0.weight": nd.ones((2, 3)) * 7, "aux:1.bias": np.arange(2)}
    found = values(network(), init.Load(some, "ones", verbose=True))
    assert [found[name].mean() for name in found] == [7, 1, 1, 0.5]
    assert capsys.readouterr().out.splitlines()[:2] == ["0.weight: loaded", "0.bias: default"]


def test_an_initializer_of_ones_own() -> None:
    """As in MXNet: it writes into an array, also where the shape is known while recording."""

    @init.alias("names")
    @init.register
    class NameLength(init.Initializer):
        def __init__(self, scale: float = 1.0):
            super().__init__(scale=scale)
            self.scale = scale

        def _init_weight(self, name: str, arr: nd.NDArray) -> None:
            arr[:] = len(name) * self.scale
            arr[0] = nd.arange(arr.shape[1])
            arr[1:] *= 2

    net = nn.Sequential(nn.Dense(2, weight_initializer=init.create("namelength", scale=0.5)))
    net.initialize()
    with autograd.record():
        net(nd.ones((1, 3)))
    weight = net.collect_params()["0.weight"].data().asnumpy()
    np.testing.assert_array_equal(weight, [[0, 1, 2], [8, 8, 8]])
    assert isinstance(init.create("names"), NameLength)
    given = init.Zero()
    assert init.create(given) is given


def initialized(source: Any, layer: gluon.Block | None = None) -> None:
    (layer or network()).initialize(source)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda: init.Orthogonal(rand_type="gaussian"),
            "Orthogonal: rand_type: no 'gaussian'; known: normal, uniform",
        ),
        (
            lambda: init.Orthogonal()((3,)),
            "Orthogonal needs a shape of two or more dimensions, given (3,)",
        ),
        (
            lambda: init.LSTMBias()((6,)),
            "LSTMBias needs a vector for 4 gates, given shape (6,)",
        ),
        (
            lambda: init.Bilinear()((3, 3)),
            "Bilinear needs a shape of 4 dimensions, given (3, 3)",
        ),
        (
            lambda: init.Mixed(["bias"], []),
            "Mixed: 1 patterns, but 0 initializers",
        ),
        (
            lambda: initialized(init.Mixed(["bias"], ["ones"])),
            "Mixed: parameter '0.weight' matches none of bias; add '.*' with a default at the end",
        ),
        (
            lambda: initialized(init.Load({})),
            "Load: no values of parameter '0.weight', and no default_init",
        ),
        (
            lambda: initialized(init.Load({"0.weight": np.ones(3)})),
            "parameter '0.weight': expected shape (2, 3), given (3,)",
        ),
        (
            lambda: init.create("xavir"),
            "initializer: no 'xavir'; did you mean xavier?",
        ),
        (
            lambda: initialized("constant"),
            "initializer 'constant': Constant.__init__() missing 1 required positional argument: "
            "'value'",
        ),
        (
            lambda: init.create(init.One(), scale=2),
            "initializer: expected a name, a number or an object like nnc.init.Xavier(), given ",
        ),
        (
            lambda: initialized(init.Initializer()),
            "Initializer must define __call__() or _init_weight()",
        ),
    ],
)
def test_mistakes(mistake: Callable[[], Any], message: str) -> None:
    with pytest.raises(NncError) as caught:
        mistake()
    assert str(caught.value).startswith(message)
