"""Loops, branches and checkpoints of the frontend against the same written in plain Python."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import NDArray, autograd, gluon, nd
from nnc.errors import GradientError, OptionError, ShapeError, TraceError
from nnc.gluon import nn

Array = np.ndarray[Any, np.dtype[Any]]
STEPS = 4


def draw(seed: int, *shape: int) -> NDArray:
    return nd.array(np.random.default_rng(seed).standard_normal(shape) / 2)


def leaf(seed: int, *shape: int) -> NDArray:
    made = draw(seed, *shape)
    made.attach_grad()
    return made


def gradients(leaves: list[NDArray]) -> list[Array]:
    grads = [x.grad for x in leaves]
    return [g.asnumpy() for g in grads if g is not None]


def close(given: Any, expected: Any) -> None:
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=2e-5, atol=2e-6)


@pytest.fixture(params=["compile", "interpret"])
def backend(request: pytest.FixtureRequest) -> Iterator[None]:
    before = nnc.configure(backend=request.param)
    yield
    nnc.configure(backend=before.backend)


@pytest.mark.usefixtures("backend")
def test_foreach_is_the_loop() -> None:
    """Lists in and out, two states, gradients to all that the body reads."""
    w, u, xs, h0, c0 = leaves = [
        leaf(0, 3, 3), leaf(1, 3), leaf(2, STEPS, 2, 3), leaf(3, 2, 3), leaf(4, 2, 3)
    ]  # fmt: skip
    scales = draw(5, STEPS, 2, 1)

    def body(data: list[NDArray], states: list[NDArray]) -> Any:
        x, scale = data
        h, c = states
        c = c * nd.sigmoid(x + h @ w) + u
        h = nd.tanh(c) * scale
        return [h, (c * 2,)], [h, c]

    def looped() -> tuple[Any, ...]:
        (hs, (cs,)), [h, c] = nd.contrib.foreach(body, [xs, scales], [h0, c0])
        return hs, cs, h, c

    def unrolled() -> tuple[Any, ...]:
        hs: list[NDArray] = []
        cs: list[NDArray] = []
        h, c = h0, c0
        for t in range(STEPS):
            [y, (z,)], [h, c] = body([xs[t], scales[t]], [h, c])
            hs.append(y)
            cs.append(z)
        return nd.stack(hs), nd.stack(cs), h, c

    found: list[list[Any]] = []
    for run in (looped, unrolled):
        with autograd.record():
            results = run()
            loss = sum((nd.sin(y).sum() for y in results), nd.zeros(()))
        loss.backward()
        found.append([*gradients(leaves), *results])
    close(*found)


@pytest.mark.usefixtures("backend")
def test_while_loop_stops_by_itself() -> None:
    """The outputs of steps that did not run are 0, and no gradient comes from them."""
    w = leaf(0, 3)
    limit = nd.array([7.0])

    def go_on(i: NDArray, x: NDArray) -> NDArray:
        return i * i < limit

    def body(i: NDArray, x: NDArray) -> Any:
        return nd.exp(x), [i + 1, nd.tanh(x * w)]

    found: list[list[Any]] = []
    for looped in (True, False):
        i, x = nd.array([0.0]), draw(1, 3)
        with autograd.record():
            if looped:
                ys, [i, x] = nd.contrib.while_loop(go_on, body, [i, x], max_iterations=5)
            else:
                outputs: list[NDArray] = []
                for _ in range(3):
                    y, [i, x] = body(i, x)
                    outputs.append(y)
                ys = nd.stack([*outputs, nd.zeros(3), nd.zeros(3)])
            loss = (ys * ys).sum() + x.sum()
        loss.backward()
        found.append([*gradients([w]), ys, i, x])
    close(*found)


@pytest.mark.parametrize(("begin", "expected"), [(0.0, 3.0), (9.0, 9.0)])
def test_while_loop_may_run_to_the_end_or_not_at_all(begin: float, expected: float) -> None:
    def body(i: NDArray) -> Any:
        return [], i + 1

    def below_five(i: NDArray) -> NDArray:
        return i < 5

    outputs, i = nd.contrib.while_loop(below_five, body, nd.array([begin]), max_iterations=3)
    assert outputs == []
    assert i.item() == expected


@pytest.mark.usefixtures("backend")
def test_a_loop_of_no_steps_leaves_the_states_as_they_are() -> None:
    """Its outputs are empty; the gradient of what its body reads is 0."""
    w, xs, h = leaves = [leaf(0, 3), leaf(1, 0, 3), leaf(2, 3)]

    def body(x: NDArray, state: NDArray) -> Any:
        return [x * w, (x.sum(),)], state * w

    def advance(i: NDArray, state: NDArray) -> Any:
        return state * w, [i + 1, state / w]

    def go_on(i: NDArray, state: NDArray) -> NDArray:
        return i < 3

    with autograd.record():
        [ys, (sums,)], state = nd.contrib.foreach(body, xs, h)
        outputs, [i, state] = nd.contrib.while_loop(
            go_on, advance, [nd.ones((), "int32"), state], 0
        )
        loss = ys.sum() + sums.sum() + outputs.sum() + (state * state).sum()
    loss.backward()
    assert (ys.shape, sums.shape, outputs.shape, i.item()) == ((0, 3), (0,), (0, 3), 1)
    close([*gradients(leaves), state], [np.zeros(3), np.zeros((0, 3)), 2 * h.asnumpy(), h])


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("chosen", [0.0, 1.0])
def test_cond_runs_one_of_two(chosen: float) -> None:
    x, w = leaves = [leaf(0, 2, 3), leaf(1, 3, 3)]
    found: list[list[Any]] = []
    for branch in (True, False):
        with autograd.record():
            if branch:
                y = nd.contrib.cond(nd.array([chosen]), lambda: nd.tanh(x @ w), lambda: x * 3)
            else:
                y = nd.tanh(x @ w) if chosen else x * 3 + 0 * w.sum()
            loss = nd.sin(y).sum()
        loss.backward()
        found.append([*gradients(leaves), y])
    close(*found)


def test_cond_takes_inputs() -> None:
    def first(a: NDArray, b: NDArray) -> list[NDArray]:
        return [a + b, a]

    def second(a: NDArray, b: NDArray) -> list[NDArray]:
        return [b, b]

    a, b = nd.array([1.0]), nd.array([2.0])
    total, same = nd.contrib.cond(a > b, first, second, [a, b])
    assert (total.item(), same.item()) == (2, 2)


def test_what_is_detached_in_a_body_has_no_gradient() -> None:
    w = leaf(0, 3)

    def body(x: NDArray, h: NDArray) -> Any:
        new = h * w.detach() + x
        with autograd.pause():
            scale = w * 2
        return new * scale, new

    with autograd.record():
        ys, h = nd.contrib.foreach(body, draw(1, 2, 3), nd.zeros(3) + w)
        loss = h.sum()
    loss.backward()
    close(gradients([w]), [w.asnumpy() ** 2])
    assert ys.shape == (2, 3)


def test_each_step_draws_for_itself() -> None:
    """And so does each step of a loop in a loop, and each run of a compiled program."""
    nnc.random.seed(3)

    def inner(x: NDArray, state: NDArray) -> Any:
        return nnc.random.uniform(shape=(5,)) + x, state

    def outer(x: NDArray, state: NDArray) -> Any:
        ys, _ = nd.contrib.foreach(inner, nd.zeros((2, 5)), state)
        return [ys, nnc.random.uniform(shape=(5,))], state

    def nested(x: NDArray) -> Any:
        return nd.contrib.foreach(outer, x, nd.zeros(1))[0]

    compiled = nnc.compile(nested)
    numbers = [y.asnumpy().ravel() for _ in range(2) for y in compiled(nd.zeros((3, 5)))]
    drawn = np.concatenate(numbers)
    assert len(drawn) == 2 * (3 * 2 * 5 + 3 * 5)
    assert len(np.unique(drawn)) == len(drawn)


def network(checkpointed: bool) -> tuple[Any, Any, list[Array]]:
    """Loss and parameters after two steps of a network with a block that draws and has state."""
    nnc.random.seed(7)
    block = nn.HybridSequential(
        nn.Dense(6), nn.BatchNorm(), nn.Dropout(0.5), nn.Activation("tanh"), nn.Dense(6)
    )
    head = nn.Dense(3)
    for part in (block, head):
        part.initialize(nnc.init.Xavier())

    def forward(x: NDArray) -> NDArray:
        return head(autograd.checkpoint(block, x) if checkpointed else block(x))

    forward(draw(0, 8, 4))
    parameters = {f"{i}.{k}": p for i, part in enumerate((block, head))
                  for k, p in part.collect_params().items()}  # fmt: skip
    trainer = gluon.Trainer(parameters, "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    step = nnc.compile_step(forward, gluon.loss.L2Loss(), trainer)
    losses = [step(draw(1, 8, 4), draw(2, 8, 3)).asnumpy() for _ in range(3)]
    return step, losses, [p.data().asnumpy() for p in parameters.values()]


def test_a_checkpoint_changes_no_bit() -> None:
    """Draws are the same again, and running statistics move once."""
    plain, losses, values = network(False)
    again, same_losses, same_values = network(True)
    np.testing.assert_array_equal(losses, same_losses)
    for value, same in zip(values, same_values, strict=True):
        np.testing.assert_array_equal(value, same)
    assert again.ir("frontend").count("nn.checkpoint") == 1
    assert again.ir("groups").count("nn.dropout") > plain.ir("groups").count("nn.dropout")


def test_running_statistics_move_once_for_each_step() -> None:
    found: list[list[Any]] = []
    for looped in (True, False):
        norm = nn.BatchNorm(in_channels=3)
        norm.initialize()
        xs = draw(0, STEPS, 8, 3)
        with autograd.record():
            if looped:
                ys, _ = nd.contrib.foreach(lambda x, s, f=norm: (f(x), s), xs, nd.zeros(1))
            else:
                ys = nd.stack([norm(xs[t]) for t in range(STEPS)])
            loss = nd.sin(ys).sum()
        loss.backward()
        parameters = norm.collect_params().values()
        grads = [norm.gamma.grad().asnumpy(), norm.beta.grad().asnumpy()]
        found.append([*grads, *(p.data().asnumpy() for p in parameters)])
    close(*found)


def test_one_branch_may_move_statistics() -> None:
    norm = nn.BatchNorm(in_channels=3)
    norm.initialize()
    x = draw(0, 8, 3)
    for chosen in (0, 1):
        with autograd.record():
            nd.contrib.cond(nd.array([chosen]), lambda: norm(x), lambda: x).wait_to_read()
        moved = norm.running_mean.data().asnumpy()
        np.testing.assert_allclose(moved, chosen * 0.1 * x.asnumpy().mean(0), rtol=1e-5)


def test_kernels_do_not_grow_with_steps() -> None:
    w = leaf(0, 3, 3)

    def kernels(steps: int) -> int:
        with autograd.record():
            ys, _ = nd.contrib.foreach(
                lambda x, h: (nd.tanh(x + h @ w),) * 2, draw(1, steps, 2, 3), nd.zeros((2, 3))
            )
            loss = ys.sum()
        loss.backward()
        gradients([w])
        return nnc.programs()[-1].ir("groups").count("kernel.func")

    assert kernels(2) == kernels(7)


def identity(x: NDArray, state: NDArray) -> Any:
    return x, state


def foreach(body: Callable[..., Any], data: Any = 2, state: int = 1) -> Callable[[], object]:
    given = nd.zeros((data, 3)) if isinstance(data, int) else data
    return lambda: nd.contrib.foreach(body, given, nd.zeros(state))


def while_loop(condition: Callable[..., Any], *rest: Any) -> Callable[[], object]:
    return lambda: nd.contrib.while_loop(condition, nothing, *rest)


def cond(predicate: object, other: int = 1) -> Callable[[], object]:
    return lambda: nd.contrib.cond(predicate, lambda: nd.zeros(1), lambda: nd.zeros(other))


def nothing(i: NDArray) -> Any:
    return [], i


def is_small(i: NDArray) -> NDArray:
    return i < 2


def decide(x: NDArray, state: NDArray) -> Any:
    return x, state if state.sum() > 0 else x


def only_output(x: NDArray, state: NDArray) -> Any:
    return x


def other_state(x: NDArray, state: NDArray) -> Any:
    return x, x


def number(x: NDArray, state: NDArray) -> Any:
    return 1.5, state


WRONG: list[tuple[Callable[[], object], type[Exception], str]] = [
    (foreach(identity, nd.zeros(())), ShapeError,
     r"foreach: expected data with one number of steps, given \(\)"),
    (foreach(identity, [nd.zeros(2), nd.zeros(3)]), ShapeError,
     r"foreach: expected data with one number of steps, given \(2,\), \(3,\)"),
    (foreach(only_output), OptionError,
     "foreach: its body must return two things: outputs and states"),
    (foreach(other_state), ShapeError,
     r"foreach: the states begin as \[float32\[1\]\], and are \[float32\[3\]\] after a step"),
    (foreach(number), OptionError,
     "foreach: expected arrays, or lists of arrays, given float; make an array of it"),
    (foreach(decide), TraceError, "foreach: its body is recorded before its arrays have values"),
    (while_loop(is_small, nd.zeros(1)), OptionError,
     "while_loop: max_iterations is the number of steps that the program allows"),
    (while_loop(is_small, [], 3), OptionError,
     "while_loop: expected at least one loop variable"),
    (while_loop(is_small, nd.zeros(2), 3), ShapeError,
     r"while_loop: the condition is an array of one element, given shape \(2,\)"),
    (cond(True), ShapeError, "cond: the condition is an array of one element, given bool"),
    (cond(nd.ones(1), 2), ShapeError,
     r"cond: the first function returns \[float32\[1\]\], the second \[float32\[2\]\]"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "error", "text"), WRONG, ids=range(len(WRONG)))
def test_mistakes(wrong: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        wrong()


def test_what_a_body_made_stays_in_it() -> None:
    kept: list[NDArray] = []

    def body(x: NDArray, state: NDArray) -> Any:
        kept.append(x * 2)
        return x, state

    ys, _ = nd.contrib.foreach(body, nd.ones((2, 3)), nd.zeros(1))
    assert ys.asnumpy().sum() == 6
    with pytest.raises(TraceError, match="made inside the body of a loop, a branch"):
        kept[0].asnumpy()


def test_no_gradient_is_taken_inside_of_a_body() -> None:
    def body(x: NDArray, state: NDArray) -> Any:
        w = leaf(0, 3)
        with autograd.record():
            y = (x * w).sum()
        return autograd.grad(y, w), state

    with pytest.raises(GradientError, match=r"foreach: backward\(\) and grad\(\) cannot be used"):
        nd.contrib.foreach(body, nd.ones((2, 3)), nd.zeros(1))
