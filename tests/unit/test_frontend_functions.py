"""Functions of one's own: `autograd.Function`, `custom_op`, `check_gradient`, `mark_variables`."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd
from nnc.arrays.array import NDArray
from nnc.errors import GradientError, OptionError, ShapeError, TraceError
from nnc.gluon import nn

Unary = Callable[[NDArray], Any]

VALUES = np.array([0.3, -1.2, 2.0], np.float32)


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


class Sigmoid(autograd.Function):
    """The example of MXNet: the gradient by the result."""

    def forward(self, x: NDArray) -> NDArray:
        y = 1 / (1 + nd.exp(-x))
        self.save_for_backward(y)
        return y

    def backward(self, dy: NDArray) -> NDArray:
        [y] = self.saved_tensors
        return dy * y * (1 - y)


class Product(autograd.Function):
    """Two inputs, two results; reads its inputs, and something it made on the way."""

    def forward(self, x: NDArray, y: NDArray) -> list[NDArray]:
        self.inputs, self.square = (x, y), nd.exp(x) * y
        return [self.square * y, x * 2]

    def backward(self, dp: NDArray, dq: NDArray) -> list[NDArray]:
        _, y = self.inputs
        return [dp * self.square * y + dq * 2, dp * self.square * 2]


class StraightThrough(autograd.Function):
    """Rounds; its gradient is not the true one."""

    def forward(self, x: NDArray) -> NDArray:
        return nd.round(x)

    def backward(self, dy: NDArray) -> NDArray:
        return dy


class Chosen(autograd.Function):
    """An input without gradient."""

    def forward(self, x: NDArray, indices: NDArray) -> NDArray:
        self.indices, self.size = indices, x.shape[0]
        return x.take(indices)

    def backward(self, dy: NDArray) -> list[NDArray | None]:
        hot = nd.one_hot(self.indices, self.size)
        return [nd.dot(dy, hot), None]


def leaf(values: Any = VALUES) -> NDArray:
    x = nd.array(values)
    x.attach_grad()
    return x


def gradient(x: NDArray) -> Any:
    assert x.grad is not None
    return x.grad.asnumpy()


def through(function: Unary) -> NDArray:
    """A leaf after `backward` of the function's result."""
    x = leaf()
    with autograd.record():
        y = function(x)
    y.backward()
    return x


def test_a_function_has_the_gradient_it_says() -> None:
    s = 1 / (1 + np.exp(-VALUES))
    np.testing.assert_allclose(gradient(through(lambda x: Sigmoid()(x))), s * (1 - s), rtol=1e-6)
    np.testing.assert_array_equal(gradient(through(lambda x: StraightThrough()(x) * 3)), [3, 3, 3])
    picked = through(lambda x: Chosen()(x, nd.array([2, 2, 0], dtype="int32")))
    np.testing.assert_array_equal(gradient(picked), [1, 0, 2])


def one_product(x: NDArray) -> NDArray:
    return Product()(x, x * x)[0]


def last_product(x: NDArray) -> NDArray:
    return Product()(x, x * x)[1]


@pytest.mark.parametrize("function", [Sigmoid(), one_product, last_product])
def test_gradients_and_gradients_of_gradients(function: Any) -> None:
    """Through results, and through what `forward` made on the way."""

    def slope(x: NDArray) -> Any:
        with autograd.record():
            y = function(x)
        return autograd.grad(y, x, create_graph=True)

    assert autograd.check_gradient(function, VALUES) < 1e-8
    assert autograd.check_gradient(slope, VALUES) < 1e-8


def test_a_function_in_a_compiled_step_on_every_path() -> None:
    """The gradient is part of the program, which no Python runs in."""
    calls: list[int] = []

    class Counted(Sigmoid):
        def backward(self, dy: NDArray) -> NDArray:
            calls.append(1)
            return super().backward(dy)

    def trained(activation: Unary) -> list[Any]:
        net = nn.Dense(3, in_units=2, weight_initializer="ones")
        net.initialize()
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})

        def forward(x: NDArray) -> Any:
            return activation(net(x))

        step = nnc.compile_step(forward, gluon.loss.L2Loss(), trainer)
        for _ in range(3):
            step(nd.array([[1.0, 2.0]]), nd.zeros((1, 3)))
        return [p.data().asnumpy() for p in net.collect_params().values()]

    for mine, built_in in zip(trained(lambda x: Counted()(x)), trained(nd.sigmoid), strict=True):
        np.testing.assert_allclose(mine, built_in, rtol=1e-5)
    assert len(calls) == 1


def test_a_function_in_a_loop_and_in_a_checkpoint() -> None:
    def step(x: NDArray, state: NDArray) -> tuple[NDArray, NDArray]:
        new = Sigmoid()(x + state)
        return new, new

    def plain(x: NDArray, state: NDArray) -> tuple[NDArray, NDArray]:
        new = nd.sigmoid(x + state)
        return new, new

    def looped(body: Any) -> Unary:
        return lambda x: nd.contrib.foreach(body, x, nd.zeros(()))[0]

    expected = gradient(through(looped(plain)))
    np.testing.assert_allclose(gradient(through(looped(step))), expected, rtol=1e-6)
    checkpointed = through(lambda x: autograd.checkpoint(looped(step), x))
    np.testing.assert_allclose(gradient(checkpointed), expected, rtol=1e-6)


def test_outside_of_a_recording_only_forward_runs() -> None:
    class Broken(autograd.Function):
        def forward(self, x: NDArray) -> NDArray:
            return x * 2

    assert Broken()(nd.ones((2,))).tolist() == [2, 2]
    with pytest.raises(OptionError, match=r"Broken must define backward\(self, \*output_grads\)"):
        through(Broken())
    with pytest.raises(OptionError, match=r"Function must define forward\(self, \*inputs\)"):
        autograd.Function()(nd.ones((2,)))


def test_what_was_not_saved() -> None:
    class Forgetful(StraightThrough):
        def backward(self, dy: NDArray) -> Any:
            return self.saved_tensors

    with pytest.raises(OptionError, match=r"Forgetful: nothing was saved; call self.save"):
        through(Forgetful())


def returning(value: Unary) -> Unary:
    """A function whose `backward` returns a value."""

    class Own(autograd.Function):
        def forward(self, x: NDArray) -> NDArray:
            return x * 2

        def backward(self, dy: NDArray) -> Any:
            return value(dy)

    return lambda x: Own()(x)


WRONG: list[tuple[Unary, type[Exception], str]] = [
    (
        lambda dy: [dy, dy],
        GradientError,
        "Own.backward: expected a gradient, or None, for each of 1 inputs, given 2",
    ),
    (lambda dy: dy.sum(), ShapeError, r"Own.backward: gradient 0 has shape \(\), its input"),
    (lambda dy: 3, OptionError, r"Own.backward: expected an array of nnc or .*given \[3\]"),
    (lambda dy: dy.asnumpy(), TraceError, "Own.backward: its body is recorded before its"),
    (lambda dy: None, GradientError, "Own.backward: it returned nothing; return a gradient for e"),
]


@pytest.mark.parametrize(("value", "error", "message"), WRONG)
def test_a_backward_that_is_wrong(value: Unary, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        through(returning(value))


def test_a_backward_that_changes_a_variable() -> None:
    norm = nn.BatchNorm(in_channels=3)
    norm.initialize()
    x = nd.ones((2, 3))
    x.attach_grad()
    with autograd.record(), pytest.raises(OptionError, match=r"Own.backward: it must be pure"):
        returning(norm)(x)


@nnc.custom_op
def scaled_square(x: NDArray, scale: float = 2.0) -> NDArray:
    return nd.dot(x, x) * scale


def test_a_custom_operation_has_a_name() -> None:
    assert scaled_square(nd.array([1, 2]), scale=3).item() == 15
    assert autograd.check_gradient(scaled_square, VALUES) < 1e-8
    text = nnc.compile(scaled_square, nd.ones((3,))).ir("frontend")
    assert "%scaled_square = nn.mul" in text
    with pytest.raises(ShapeError, match=r"^scaled_square\(float32\[2, 3\]\): matmul: the last"):
        scaled_square(nd.ones((2, 3)))
    with pytest.raises(OptionError, match=r"^one: expected arrays, or lists of arrays, given int"):
        nnc.custom_op(one)(nd.ones((2,)))
    assert nnc.custom_op(same)(x := nd.ones((2,))) is x


def one(x: NDArray) -> int:
    return 1


def same(x: NDArray) -> NDArray:
    return x


def wrong(x: NDArray, y: NDArray) -> Any:
    return StraightThrough()(y) * x


def test_a_wrong_gradient_is_found() -> None:
    with pytest.raises(
        GradientError,
        match=r"input 1, element \(0, \d\): the gradient is \S+, differences give \S+; relative to "
        r"the largest element they are \S+ apart, more than 1e-06",
    ):
        autograd.check_gradient(wrong, [[1.0], [[3.2, 4.3, 9.1]]])
    with pytest.raises(OptionError, match="expected an input of floats, given integers only"):
        autograd.check_gradient(same, np.ones(3, "int32"))


def test_inputs_of_integers_and_several_results_are_checked() -> None:
    def both(x: NDArray, i: NDArray) -> list[NDArray]:
        return [x.take(i), (x * x).sum()]

    assert autograd.check_gradient(both, [VALUES, np.array([2, 0, 2])]) < 1e-8
    assert autograd.check_gradient(same, np.zeros((0, 2))) == 0


def test_marked_variables_show_their_gradients() -> None:
    x, y = nd.array(VALUES), nd.array(VALUES)
    dx, dy = nd.ones((3,)), nd.ones((3,))
    autograd.mark_variables([x, y], [dx, dy], ["write", "add"])
    assert x.grad is dx
    for _ in range(2):
        with autograd.record():
            z = x * y
        z.backward()
    np.testing.assert_allclose(dx.asnumpy(), VALUES)
    np.testing.assert_allclose(dy.asnumpy(), 1 + 2 * VALUES)
    dy[:] = 0
    with autograd.record():
        z = x * y
    z.backward()
    np.testing.assert_allclose(dy.asnumpy(), VALUES)
    autograd.mark_variables(x, dx, "null")
    assert x.grad is None


def test_variables_that_cannot_be_marked() -> None:
    x = nd.ones((3,))
    with pytest.raises(OptionError, match="for each of 1 variables, given 2 and 1"):
        autograd.mark_variables(x, [x, x])
    with pytest.raises(ShapeError, match=r"a gradient is float32\[2\], its variable float32\[3\]"):
        autograd.mark_variables(x, nd.ones((2,)))


def test_what_was_recorded_can_be_read() -> None:
    x = leaf()
    with autograd.record():
        y = nd.exp(x) * 2
    y.wait_to_read()
    text = autograd.get_symbol(y)
    assert text.index("nn.exp") < text.index("nn.mul")
