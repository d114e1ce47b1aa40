"""Optimizers as users name them: what changes from step to step and compiles nothing."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd, optimizer
from nnc.arrays.array import NDArray
from nnc.compilation import compiler, execution
from nnc.compilation.compiler import CompiledStructure
from nnc.errors import OptionError
from nnc.gluon.utils import clip_global_norm
from nnc.optimizer import base


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


NAMES = [
    "sgd", "nag", "signum", "lars", "adam", "adamw", "nadam", "adamax", "lamb", "rmsprop",
    "adagrad", "adadelta", "ftrl", "ftml", "adabelief", "lans",
]  # fmt: skip


def parameter(*values: float, grad_req: str = "write") -> gluon.Parameter:
    made = gluon.Parameter("w", shape=(len(values),), grad_req=grad_req)
    made.initialize(nnc.init.One())
    made.set_data(np.array(values))
    return made


def backward(w: gluon.Parameter) -> None:
    """The gradient is `w`."""
    with autograd.record():
        loss = (w.data() * w.data()).sum() / 2
    loss.backward()


Count = Callable[[Callable[[], None], int], int]


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> Count:
    """How many programs are compiled by doing something again and again, after the first time."""
    made: list[object] = []

    def compile_structure(*args: Any) -> CompiledStructure:
        made.append(args)
        return compiler.compile_structure(*args)

    monkeypatch.setattr(execution, "compile_structure", compile_structure)

    def count(action: Callable[[], None], times: int) -> int:
        action()
        before = len(made)
        for _ in range(times - 1):
            action()
        return len(made) - before

    return count


@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_of_a_step_compile_nothing(name: str, compilations: Count) -> None:
    """Learning rate, weight decay, rescaling, bounds, and the corrections of each step."""
    w = parameter(1, -2, 0.5)
    rule = optimizer.create(name, clip_gradient=1.0)
    trainer = gluon.Trainer([w], rule)
    sizes = itertools.count(2)

    def step() -> None:
        backward(w)
        trainer.step(next(sizes))
        trainer.set_learning_rate(trainer.learning_rate / 2)
        rule.wd += 0.01
        rule.clip_gradient = (rule.clip_gradient or 0.0) / 2

    assert compilations(step, 4) == 0
    assert np.all(np.isfinite(w.data().asnumpy()))
    assert np.abs(w.data().asnumpy() - [1, -2, 0.5]).min() > 1e-7


def test_a_constant_is_a_part_of_the_program(compilations: Count) -> None:
    w = parameter(1, -2)
    momenta = iter([0.4, 0.3, 0.2])
    rule = optimizer.SGD(momentum=0.5)
    trainer = gluon.Trainer([w], rule)

    def step() -> None:
        backward(w)
        trainer.step(1)
        rule.take(momentum=next(momenta))

    assert compilations(step, 3) == 2


def test_accumulated_and_clipped_gradients_compile_nothing(compilations: Count) -> None:
    w = parameter(3, 4, grad_req="add")
    trainer = gluon.Trainer([w], "sgd", {"learning_rate": 1.0})
    bounds = iter([2.5, 5.0, 7.5, 1.0])

    def step() -> None:
        for _ in range(2):
            backward(w)
        norm = clip_global_norm([w.grad()], next(bounds), check_isfinite=False)
        trainer.step(1)
        w.zero_grad()
        assert isinstance(norm, NDArray)
        seen.append(float(norm))

    seen: list[float] = []
    assert compilations(step, 4) == 0
    np.testing.assert_allclose(seen, [10, 5, 5, 5], rtol=1e-6)


def test_clipping_by_the_norm_of_all_arrays() -> None:
    arrays = [nd.array([3.0, 0.0]), nd.array([[4.0]])]
    assert clip_global_norm(arrays, 10.0) == 5.0
    assert arrays[0].tolist() == [3, 0]
    assert clip_global_norm(arrays, 2.5) == 5.0
    np.testing.assert_allclose(arrays[0].asnumpy(), [1.5, 0])
    np.testing.assert_allclose(arrays[1].asnumpy(), [[2.0]])
    with pytest.warns(UserWarning, match="clip_global_norm: the norm is inf"):
        clip_global_norm([nd.array([np.inf])], 1.0)
    with pytest.raises(OptionError, match="expected at least one array"):
        clip_global_norm([], 1.0)


def test_what_is_written_into_a_gradient_goes_into_the_update() -> None:
    w = parameter(1, 2)
    trainer = gluon.Trainer([w], "sgd", {"learning_rate": 1.0})
    backward(w)
    w.grad()[:] = nd.array([0.25, 0.5])
    trainer.step(1)
    assert w.data().tolist() == [0.75, 1.5]


@pytest.mark.parametrize("name", NAMES)
def test_an_optimizer_by_hand_does_as_the_trainer(name: str) -> None:
    w = parameter(1, -2, 0.5)
    trainer = gluon.Trainer([w], name, {"wd": 0.1})
    weight, updater = nd.array([1, -2, 0.5]), optimizer.get_updater(optimizer.create(name, wd=0.1))
    for _ in range(3):
        backward(w)
        trainer.step(1)
        updater("w", weight.copy(), weight)
    np.testing.assert_allclose(weight.asnumpy(), w.data().asnumpy(), rtol=1e-6)


def test_updates_of_lists_and_multipliers() -> None:
    rule = optimizer.SGD(learning_rate=1.0)
    rule.set_lr_mult({"a": 0.5})
    rule.set_wd_mult({"b": 0.0})
    rule.wd = 1.0
    weights = [nd.array([1.0]), nd.array([1.0])]
    states = [rule.create_state(i, w) for i, w in zip("ab", weights, strict=True)]
    rule.update(["a", "b"], weights, [nd.array([0.5]), nd.array([0.5])], states)
    assert [w.tolist() for w in weights] == [[0.25], [0.5]]
    assert rule.num_update == 1


def test_options_as_mxnet_1_calls_them() -> None:
    rms = optimizer.create("rmsprop", gamma1=0.8, gamma2=0.7)
    assert rms.constants() == optimizer.RMSProp(rho=0.8, momentum=0.7).constants()
    ada = optimizer.create("adagrad", eps=1e-3)
    assert ada.constants() == optimizer.AdaGrad(epsilon=1e-3).constants()


def test_an_optimizer_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "NAMED", dict(base.NAMED))

    @optimizer.register
    class Halved(optimizer.SGD):
        """Half the rate that is asked for."""

        @property
        def learning_rate(self) -> float:
            return super().learning_rate / 2

    w = parameter(1.0)
    trainer = gluon.Trainer([w], "halved", {"learning_rate": 1.0})
    backward(w)
    trainer.step(1)
    assert w.data().tolist() == [0.5]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (optimizer.AdamW, {"correct_bias": False}),
        (optimizer.LAMB, {"bias_correction": False, "lower_bound": 1.0, "upper_bound": 2.0}),
    ],
)
def test_without_bias_correction(kind: type[optimizer.Optimizer], options: dict[str, Any]) -> None:
    """The first mean is (1 - beta1) g, the first root sqrt(1 - beta2) |g|."""
    rule = kind(learning_rate=0.1, **options)
    weight = nd.array([1.0])
    rule.update(0, weight, nd.array([0.5]), rule.create_state(0, weight))
    ratio = 0.1 / np.sqrt(0.001)
    step = 0.1 * (ratio if kind is optimizer.AdamW else 1.0)
    np.testing.assert_allclose(weight.asnumpy(), [1 - step], rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("sgd", {"momentum": 1.0}, "SGD: momentum: expected a number at least 0 and below 1"),
        ("adamw", {"epsilon": None}, "AdamW: epsilon: expected a number above 0, given None"),
        ("lamb", {"upper_bound": 0}, "LAMB: upper_bound: expected a number above 0, given 0"),
        ("ftrl", {"lamda1": -1}, "Ftrl: lamda1: expected a number at least 0, given -1"),
    ],
)
def test_wrong_options(name: str, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(OptionError, match=expected):
        optimizer.create(name, **options)


Update = Callable[..., Any]


def by_sgd(w: Any, g: Any) -> Any:
    return w - 0.1 * g


def by_sgd_mom(w: Any, g: Any, mom: Any) -> Any:
    mom[:] = 0.9 * mom - 0.1 * g
    return w + mom


def by_nag_mom(w: Any, g: Any, mom: Any) -> Any:
    mom[:] = 0.9 * mom - 0.1 * g
    return w + 0.9 * mom - 0.1 * g


def by_signum(w: Any, g: Any, mom: Any) -> Any:
    mom[:] = 0.9 * mom - 0.1 * g
    return (1 - 0.1 * 0.2) * w + 0.1 * np.sign(mom)


def by_adam(w: Any, g: Any, mean: Any, var: Any) -> Any:
    mean[:] = 0.9 * mean + 0.1 * g
    var[:] = 0.999 * var + 0.001 * g * g
    return w - 0.1 * mean / (np.sqrt(var) + 1e-8)


def by_rmsprop(w: Any, g: Any, n: Any) -> Any:
    n[:] = 0.95 * n + 0.05 * g * g
    return w - 0.1 * g / (np.sqrt(n) + 1e-8)


def by_ftrl(w: Any, g: Any, z: Any, n: Any) -> Any:
    z += g - (np.sqrt(n + g * g) - np.sqrt(n)) / 0.1 * w
    n += g * g
    return (np.sign(z) * 0.01 - z) / ((1 + np.sqrt(n)) / 0.1 + 0.3) * (np.abs(z) > 0.01)


FUNCTIONS: list[tuple[Update, Update, int, float, dict[str, float]]] = [
    (nd.sgd_update, by_sgd, 0, 0.3, {}),
    (nd.sgd_mom_update, by_sgd_mom, 1, 0.3, {"momentum": 0.9}),
    (nd.nag_mom_update, by_nag_mom, 1, 0.3, {"momentum": 0.9}),
    (nd.signum_update, by_signum, 1, 0.3, {"momentum": 0.9, "wd_lh": 0.2}),
    (nd.adam_update, by_adam, 2, 0.3, {}),
    (nd.rmsprop_update, by_rmsprop, 1, 0.3, {}),
    (nd.ftrl_update, by_ftrl, 2, 0, {}),
]


@pytest.mark.parametrize("row", FUNCTIONS, ids=[row[0].__name__ for row in FUNCTIONS])
def test_updates_as_functions(row: tuple[Update, Update, int, float, dict[str, float]]) -> None:
    """Two updates: `out` is written into, states change; a decay of weights may be in g."""
    function, formula, states, decay, options = row
    expected = np.array([1.0, -2, 0.5])
    kept = [np.zeros(3) for _ in range(states)]
    w, *own = [nd.array(x, "float64") for x in (expected, *kept)]
    for g in (np.array([4.0, -0.5, -1]), np.array([-1.0, 1, 3])):
        numbers = {"lr": 0.1, "wd": 0.3, "rescale_grad": 0.5, "clip_gradient": 1, **options}
        made = function(w, nd.array(g, "float64"), *own, **numbers, out=w)
        assert made is w
        expected = formula(expected, np.clip(g / 2, -1, 1) + decay * expected, *kept)
        np.testing.assert_allclose(w.asnumpy(), expected, rtol=1e-9)
    for x, y in zip(own, kept, strict=True):
        np.testing.assert_allclose(x.asnumpy(), y, rtol=1e-9)
