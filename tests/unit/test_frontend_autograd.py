"""Recording and gradients: the rules of the frontend, one by one."""

import math
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd
from nnc.arrays.array import NDArray
from nnc.errors import GradientError, InPlaceError, ShapeError, StaleValueError


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


def leaf(*values: float, grad_req: str = "write") -> NDArray:
    x = nd.array(values)
    x.attach_grad(grad_req)
    return x


def recorded(function: Callable[[NDArray], NDArray], x: NDArray) -> NDArray:
    with autograd.record():
        return function(x)


def gradient(x: NDArray) -> list[float]:
    assert x.grad is not None
    return x.grad.tolist()


def test_gradient_of_a_sum_over_all_elements() -> None:
    x = leaf(1, 2, 3)
    recorded(lambda x: x * x + 2 * x, x).backward()
    assert gradient(x) == [4, 6, 8]


def test_head_gradients_weight_the_elements() -> None:
    x = leaf(1, 2, 3)
    recorded(lambda x: x * x, x).backward(nd.array([1, 0, 10]))
    assert gradient(x) == [2, 0, 60]


@pytest.mark.parametrize(("shape", "given"), [((4, 1), (4,)), ((4,), (1, 4, 1)), ((1,), ())])
def test_axes_of_size_1_make_no_difference_to_head_gradients(shape: Any, given: Any) -> None:
    x, weights = nd.ones(shape), nd.arange(4)[: math.prod(given)].reshape(given)
    x.attach_grad()
    recorded(lambda x: x * 2, x).backward(weights)
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.asnumpy(), 2 * weights.asnumpy().reshape(shape))


def test_several_heads() -> None:
    x, y = leaf(1, 2), leaf(3, 4)
    with autograd.record():
        a, b = x * y, x + 1
    autograd.backward([a, b], [None, nd.array([10, 10])])
    assert gradient(x) == [13, 14]
    assert gradient(y) == [1, 2]


def test_broadcasting_sums_the_gradient() -> None:
    x, y = leaf(1, 2), leaf(5)
    recorded(lambda x: x * y, x).backward()
    assert gradient(y) == [3]


def test_gradients_are_zero_before_backward_and_of_what_does_not_count() -> None:
    x, y = leaf(1, 2), leaf(3)
    assert gradient(x) == [0, 0]
    recorded(lambda x: x + 0 * y, x).backward()
    assert gradient(y) == [0]


def test_add_accumulates_and_write_replaces() -> None:
    x, y = leaf(1, 2, grad_req="add"), leaf(1, 2)
    for _ in range(3):
        recorded(lambda x: x * x + y * y, x).backward()
    assert gradient(x) == [6, 12]
    assert gradient(y) == [2, 4]


def test_a_held_gradient_shows_each_new_one() -> None:
    x = leaf(1, 2)
    held = x.grad
    assert held is not None
    recorded(lambda x: x * 3, x).backward()
    assert held.tolist() == [3, 3]
    recorded(lambda x: x * 4, x).backward()
    assert held.tolist() == [4, 4]


def test_looking_in_between_changes_nothing() -> None:
    x = leaf(1, 2)
    with autograd.record():
        y = x * x
        assert y.tolist() == [1, 4]
        z = y * x
    assert z.tolist() == [1, 8]
    z.backward()
    assert gradient(x) == [3, 12]


def test_a_step_by_hand_whose_loss_is_read_while_recording() -> None:
    """The new weights wait when the next step is recorded; they are leaves of it."""
    x = leaf(8)
    for expected in (4, 2, 1):
        with autograd.record():
            y = x * x
            assert float(y) == (2 * expected) ** 2
        y.backward()
        assert x.grad is not None
        x -= 0.25 * x.grad
    assert x.tolist() == [1]


def test_a_recording_is_used_once_unless_retained() -> None:
    x = leaf(2)
    y = recorded(lambda x: x * x, x)
    y.backward(retain_graph=True)
    assert gradient(x) == [4]
    y.backward()
    assert gradient(x) == [4]
    with pytest.raises(GradientError, match="already used"):
        y.backward()
    assert gradient(x) == [4]


def test_a_state_of_an_earlier_step_is_to_be_detached() -> None:
    x = leaf(1, 2)
    with autograd.record():
        hidden = x * x
        state, loss = hidden + 1, hidden.sum()
    loss.backward()
    for one in [state]:
        one.detach()  # A new array that nobody keeps.
    with autograd.record():
        loss = (state * x).sum()
    with pytest.raises(
        GradientError,
        match=rf"was computed at {__file__}:\d+ and an earlier backward\(\) has used; .*"
        r"state = \[s.detach\(\) for s in state\]",
    ):
        loss.backward()
    with autograd.record():
        loss = (state.detach() * x).sum()
    loss.backward()
    assert gradient(x) == [2, 5]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("looked_at", [False, True])
@pytest.mark.parametrize("grad_req", ["null", "write"])
def test_a_parameter_written_while_recording(lazy: bool, looked_at: bool, grad_req: str) -> None:
    """As in spectral normalization: what was read before keeps the value it was computed with."""
    x, u = leaf(1, 3), gluon.Parameter("u", grad_req, shape=(2,), init=nnc.init.Constant(2))
    u.initialize()
    with autograd.record():
        y = x * u.data() * x
        with autograd.pause():
            new = u.data() * 10
            if lazy:
                u.data()[:] = new
            else:
                u.set_data(new)
        if looked_at:
            assert y.tolist() == [2, 18]
        z = y * u.data()
    z.backward()
    assert gradient(x) == [2 * 2 * 20, 2 * 3 * 2 * 20]
    assert u.data().tolist() == [20, 20]
    if grad_req == "write":
        assert u.grad().tolist() == [20 + 2, 9 * 20 + 9 * 2]


def held_by(array: NDArray) -> list[int]:
    """The sizes of all arrays that an array's history keeps in memory, its own first."""
    found: dict[Any, None] = {}
    pending = [array.current]
    while pending:
        value = pending.pop()
        if value not in found:
            found[value] = None
            pending.extend(value.node.inputs if value.node else ())
    return [value.memory.size for value in found if value.memory is not None]


@pytest.mark.parametrize("of", ["inputs", "detached", "hidden"])
def test_running_values_keep_nothing_else(of: str) -> None:
    w, running = leaf(1, 2, 3), nd.zeros((3,))
    for _ in range(4):
        x = nd.ones((50, 3))
        with autograd.record():
            hidden = x * w
            seen = {"inputs": x, "detached": hidden.detach(), "hidden": hidden}[of]
            running = 0.9 * running + 0.1 * seen.mean(0)
            loss = (hidden - hidden.mean(0)).square().sum()
        loss.backward()
        running.wait_to_read()
    assert held_by(running) == [3]


def test_second_derivatives() -> None:
    x = leaf(1, 2)
    with autograd.record():
        y = x**3
        [first] = autograd.grad([y], [x], create_graph=True)
        z = first * first
    z.backward()
    np.testing.assert_allclose(gradient(x), [36, 288], rtol=1e-5)


def test_grad_returns_new_arrays() -> None:
    x = leaf(1, 2)
    y = recorded(lambda x: x * x, x)
    found = autograd.grad(y, x)
    assert isinstance(found, NDArray)
    assert found.tolist() == [2, 4]
    assert gradient(x) == [0, 0]


def test_detach_and_pause_cut_the_gradient() -> None:
    x = leaf(1, 2)
    with autograd.record():
        y = x * x
        with autograd.pause():
            scale = x * 10
        z = y.detach() * x + scale * x
    z.backward()
    assert gradient(x) == [11, 24]


def test_what_was_computed_before_record_is_constant() -> None:
    x = leaf(1, 2)
    before = x * 3
    recorded(lambda x: x * before, x).backward()
    assert gradient(x) == [3, 6]


def test_a_gradient_does_not_go_back_through_what_was_detached() -> None:
    """As in truncated backpropagation: what led to a state is gone after a step."""
    w, state = leaf(3), nd.array([1.0])
    for _ in range(3):
        carried = state.detach()
        with autograd.record():
            new = carried * w
            state, loss = new + 1, new * w
        loss.backward()
        assert gradient(w) == [(2 * carried * w).item()]
        w[:] = w - 1


def test_gradient_descent_by_hand() -> None:
    w = leaf(3)
    for _ in range(40):
        recorded(lambda w: w * w, w).backward()
        assert w.grad is not None
        w[:] = w - 0.1 * w.grad
    assert abs(w.item()) < 1e-3


def test_changing_a_leaf_or_a_recorded_value_while_recording() -> None:
    x = leaf(1, 2)
    with autograd.record():
        y = x * 2
        with pytest.raises(InPlaceError, match=r"an array with a gradient \(shape \(2,\)\)"):
            x[:] = 0
        with pytest.raises(InPlaceError, match="a recorded value"):
            y += 1
        z = nd.zeros((2,))
    z[:] = 1
    assert x.tolist() == [1, 2]


def test_views_carry_gradients() -> None:
    x = leaf(1, 2, 3, 4)
    recorded(lambda x: x[1:3] * x.reshape(2, 2)[0], x).backward()
    assert gradient(x) == [2, 4, 2, 0]


def test_errors_name_the_reason() -> None:
    x = nd.array([1, 2])
    with pytest.raises(GradientError, match=r"not computed inside autograd.record\(\)"):
        (x * 2).backward()
    with pytest.raises(GradientError, match="no array with a gradient leads to this one"):
        recorded(lambda x: x * 2, x).backward()
    y = recorded(lambda x: x * 2, leaf(1, 2))
    with pytest.raises(ShapeError, match="head gradient: expected"):
        y.backward(nd.ones((3,)))


def test_an_exception_inside_record_takes_the_flags_back() -> None:
    def fail() -> None:
        with autograd.record():
            assert autograd.is_recording()
            assert autograd.is_training()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not autograd.is_recording()
    assert not autograd.is_training()


def test_modes_nest() -> None:
    with autograd.record(train_mode=False):
        assert not autograd.is_training()
        with autograd.train_mode():
            assert autograd.is_training()
        with autograd.pause():
            assert not autograd.is_recording()
        assert autograd.is_recording()


@pytest.mark.parametrize(
    ("name", "hint"), [("block_gradients", "nnc.autograd.record()"), ("Trainr", "Trainer")]
)
def test_names_that_do_not_exist_are_answered(name: str, hint: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(f"did you mean {hint}?")):
        getattr(gluon, name)


def test_each_thread_records_for_itself() -> None:
    x = leaf(1, 2)
    seen: list[bool] = []
    with autograd.record():
        y = x * x
        thread = threading.Thread(target=lambda: seen.append(autograd.is_recording()))
        thread.start()
        thread.join()
    y.backward()
    assert seen == [False]
    assert gradient(x) == [2, 4]


def test_a_gradient_whose_leaf_was_overwritten_is_an_error() -> None:
    from nnc.gluon import Parameter

    w = Parameter("w", shape=(2,), init="ones")
    w.initialize()
    y = recorded(lambda w: w * w, w.data())
    y.wait_to_read()
    w.set_data(np.zeros(2))
    y.backward()
    with pytest.raises(StaleValueError, match="was changed in place"):
        w.grad().wait_to_read()


def test_a_running_value_outlives_the_steps_that_made_it() -> None:
    weight = gluon.Parameter("weight", shape=(2,))
    weight.initialize(nnc.init.Constant(1))
    trainer = gluon.Trainer([weight], "sgd", {"learning_rate": 0.25})
    running = nd.zeros(2)
    for _ in range(3):
        with autograd.record():
            output = weight.data() * 2
            running = running / 2 + output
            loss = (output * output).sum()
        loss.backward()
        trainer.step(1)
    # The weight is 1, -1, 1: each step subtracts 0.25 * 8 of it.
    assert running.tolist() == [1.5, 1.5]
    assert weight.data().tolist() == [-1, -1]
