"""Labels and indices that are computed: compiled programs and the interpreter find wrong ones."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd
from nnc.arrays.array import NDArray
from nnc.errors import IndexingError, LabelError
from nnc.gluon import nn

cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()
Compute = Callable[[NDArray, NDArray], NDArray]


@pytest.fixture(params=["compile", "interpret"])
def backend(request: pytest.FixtureRequest) -> Iterator[None]:
    before = nnc.configure(backend=request.param)
    yield
    nnc.configure(backend=before.backend)


TABLE = np.arange(6, dtype=np.float32).reshape(2, 3)
OPERATIONS: dict[str, tuple[Compute, str]] = {
    "take": (lambda x, i: nd.take(x, i, axis=1), "take: indices"),
    "part": (lambda x, i: x.transpose()[i], "take: indices"),
    "pick": (nd.pick, "pick: indices"),
    "embedding": (lambda x, i: nd.embedding(i, x.transpose()), "Embedding: indices"),
    "gather_nd": (lambda x, i: nd.gather_nd(x[0], i.expand_dims(0)),
                  "gather_nd: indices of axis 0"),
    "scatter_nd": (lambda x, i: nd.scatter_nd(x[0, :2], i.expand_dims(0), (3,)),
                   "scatter_nd: indices of axis 0"),
    "take_along_axis": (lambda x, i: nd.take_along_axis(x, i.expand_dims(1)),
                        "take_along_axis: indices"),
    "cross_entropy": (cross_entropy, "SoftmaxCrossEntropyLoss: labels"),
    "chosen_log": (gluon.loss.SoftmaxCrossEntropyLoss(from_logits=True),
                   "SoftmaxCrossEntropyLoss: labels"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_computed_indices_are_looked_at_in_every_call(name: str, backend: None) -> None:
    compute, what = OPERATIONS[name]
    right = np.array([2, 0], np.float32)

    def shifted(x: NDArray, i: NDArray) -> NDArray:
        return compute(x, i - 1)

    program = nnc.compile(shifted)
    expected = compute(nd.array(TABLE), nd.array(right)).asnumpy()
    np.testing.assert_array_equal(program(TABLE, right + 1).asnumpy(), expected)
    for wrong, found in (([1, 4], "0.0 to 3.0"), ([0, 1], "-1.0 to 0.0")):
        message = f"{what} go from 0 to 2, computed {found} at {__file__}:"
        with pytest.raises(IndexingError, match=re.escape(message)):
            program(TABLE, np.array(wrong, np.float32))
    for odd in (1.5, np.nan):
        message = f"{what} are whole numbers; not all of those computed at {__file__}:"
        with pytest.raises(IndexingError, match=re.escape(message)):
            program(TABLE, np.array([1, odd], np.float32))
    np.testing.assert_array_equal(program(TABLE, right + 1).asnumpy(), expected)


@pytest.mark.parametrize(
    ("dtype", "most"),
    [("uint8", 100), ("int32", 2**29), ("int64", 2**40), ("float16", 1000), ("float64", 1000)],
)
def test_indices_of_each_type_are_looked_at_as_they_were_computed(dtype: str, most: int) -> None:
    def doubled(x: NDArray, i: NDArray) -> NDArray:
        return x.take(i + i)

    program = nnc.compile(doubled)
    with pytest.raises(IndexingError, match=rf"go from 0 to 1, computed 0(\.0)? to {2 * most}"):
        program(TABLE, np.array([0, most], dtype))


def test_no_indices_are_all_right() -> None:
    assert nd.take(nd.array(TABLE), nd.zeros((0,)) + 5).shape == (0, 3)


def trained(label: Callable[[NDArray], NDArray]) -> tuple[Any, nn.Dense, gluon.Trainer]:
    net = nn.Dense(3, in_units=2)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "adam")

    def loss(y: NDArray, z: NDArray) -> NDArray:
        return cross_entropy(y, label(z))

    return nnc.compile_step(net, loss, trainer), net, trainer


def test_a_step_with_a_wrong_label_changes_nothing(backend: None) -> None:
    step, net, trainer = trained(lambda z: z - 1)
    other, _, _ = trained(lambda z: z - 1)
    x, good, bad = np.ones((2, 2), np.float32), np.array([1, 3]), np.array([1, 4])

    def state() -> list[Any]:
        [*states] = (v.asnumpy() for p in net.collect_params().values() for v in trainer.states(p))
        return [*(p.data().asnumpy() for p in net.collect_params().values()), *states]

    with pytest.raises(LabelError, match="labels go from 0 to 2, computed 0 to 3 at "):
        other(x, bad)
    step(x, good)
    before, count = state(), trainer.optimizer.num_update
    with pytest.raises(LabelError, match="labels go from 0 to 2, computed 0 to 3 at "):
        step(x, bad)
    assert trainer.optimizer.num_update == count
    np.testing.assert_equal(state(), before)
    step(x, good)
    assert all((a != b).any() for a, b in zip(state(), before, strict=True))


def test_a_recorded_step_with_a_wrong_label_changes_nothing(backend: None) -> None:
    _, net, trainer = trained(lambda z: z)
    x, before = nd.ones((2, 2)), net.weight.data().asnumpy()
    with autograd.record():
        loss = cross_entropy(net(x), nd.array([1, 2]) + 1)
    loss.backward()
    with pytest.raises(LabelError, match="labels go from 0 to 2, computed 2"):
        trainer.step(2)
    np.testing.assert_array_equal(net.weight.data().asnumpy(), before)


def test_given_labels_are_looked_at_in_every_step() -> None:
    step, _, _ = trained(lambda z: z)
    x = np.ones((2, 2), np.float32)
    step(x, np.array([0, 2], np.float32))
    with pytest.raises(LabelError, match=r"labels are whole numbers, given 0\.5"):
        step(x, np.array([0.5, 2], np.float32))


def costs(labels: NDArray, shift: int) -> NDArray:
    """The costs of `labels + shift` in a loop, one label after the other."""

    def body(label: NDArray, states: list[NDArray]) -> tuple[NDArray, list[NDArray]]:
        return cross_entropy(nd.ones((1, 3)), label + shift if shift else label), states

    return nd.contrib.foreach(body, labels, [])[0]


def nested(labels: NDArray, shift: int) -> NDArray:
    def body(part: NDArray, states: list[NDArray]) -> tuple[NDArray, list[NDArray]]:
        return costs(part, shift), states

    return nd.contrib.foreach(body, labels.reshape((1, 2, 1)), [])[0]


def in_checkpoint(labels: NDArray, shift: int) -> NDArray:
    with autograd.record():
        return autograd.checkpoint(partial(costs, shift=shift), labels)


@pytest.mark.parametrize("loop", [costs, nested, in_checkpoint])
@pytest.mark.parametrize("shift", [0, 1])
def test_labels_in_bodies_that_run_are_looked_at(
    loop: Callable[..., NDArray], shift: int, backend: None
) -> None:
    body = partial(loop, shift=shift)
    program = nnc.compile(body)
    right, wrong = np.array([[0], [2 - shift]]), np.array([[0], [3 - shift]])
    np.testing.assert_allclose(program(right).asnumpy().ravel(), [np.log(3)] * 2, rtol=1e-6)
    found = f"computed 1 to 3 at {__file__}:" if shift else "given 0 to 3"
    for call in (program, body):
        with pytest.raises(LabelError, match=re.escape(f"labels go from 0 to 2, {found}")):
            call(nd.array(wrong)).asnumpy()


def test_an_index_that_a_loop_carries_is_looked_at(backend: None) -> None:
    def body(_: NDArray, place: NDArray) -> tuple[NDArray, NDArray]:
        return nd.array(TABLE).take(place, axis=1), place + 1

    def walked(first: NDArray) -> NDArray:
        return nd.contrib.foreach(body, nd.zeros((2,)), first)[0]

    np.testing.assert_array_equal(walked(nd.array([1])).asnumpy()[..., 0], TABLE.T[1:])
    with pytest.raises(IndexingError, match=r"take: indices go from 0 to 2, computed 2\.0 to 3\.0"):
        walked(nd.array([2])).asnumpy()


Branch = Callable[[NDArray, NDArray], NDArray]


def branch(first: NDArray, most: NDArray) -> NDArray:
    """The element at `first` if this is below `most`, else -1."""
    return nd.contrib.cond(
        (first < most).sum(), lambda: nd.array(TABLE[0]).take(first), lambda: nd.zeros((1,)) - 1
    )


def inner_branch(first: NDArray, most: NDArray) -> NDArray:
    return nd.contrib.cond(
        (first < most).sum(), lambda: branch(first, most + 0), lambda: nd.zeros((1,)) - 1
    )


def branch_in_loop(first: NDArray, most: NDArray) -> NDArray:
    data = first.expand_dims(0)
    return nd.contrib.foreach(lambda i, states: (branch(i, most), states), data, [])[0][0]


def branch_in_checkpoint(first: NDArray, most: NDArray) -> NDArray:
    with autograd.record():
        return autograd.checkpoint(branch, first, most)


def loop_in_branch(first: NDArray, most: NDArray) -> NDArray:
    def body(i: NDArray, states: list[NDArray]) -> tuple[NDArray, list[NDArray]]:
        return nd.array(TABLE[0]).take(i), states

    return nd.contrib.cond(
        (first < most).sum(),
        lambda: nd.contrib.foreach(body, first.expand_dims(0), [])[0][0],
        lambda: nd.zeros((1,)) - 1,
    )


BRANCHES = [branch, inner_branch, branch_in_loop, branch_in_checkpoint, loop_in_branch]
TYPED = [*((each, "float32") for each in BRANCHES), *((branch, t) for t in ("int64", "uint8"))]


@pytest.mark.parametrize(("compute", "dtype"), TYPED)
def test_indices_are_looked_at_in_the_branch_that_is_taken(
    compute: Branch, dtype: str, backend: None
) -> None:
    def call(first: int, most: int) -> list[float]:
        given = np.array([first], dtype), np.array([most], dtype)
        found = program(*given).asnumpy().tolist()
        assert compute(*map(nd.array, given)).asnumpy().tolist() == found
        return found

    program = nnc.compile(compute)
    assert call(9, 3) == [-1]
    assert call(2, 3) == [2]
    found = np.dtype(dtype).type(3)
    message = f"take: indices go from 0 to 2, computed {found} to {found} at {__file__}:"
    given = [nd.array(np.array([number], dtype)) for number in (3, 4)]
    for function in (program, compute):
        with pytest.raises(IndexingError, match=re.escape(message)):
            function(*given).asnumpy()
    assert call(2, 3) == [2]


def walk(first: NDArray, most: NDArray, table: NDArray | None = None) -> NDArray:
    """The elements from `first` on, below `most`: at most 4."""
    table = nd.array(TABLE[0]) if table is None else table

    def step(i: NDArray) -> tuple[NDArray, NDArray]:
        return table.take(i), i + 1

    def go_on(i: NDArray) -> NDArray:
        return (i < most).sum()

    return nd.contrib.while_loop(go_on, step, first, 4)[0]


def test_indices_are_looked_at_in_the_steps_of_a_while_loop_that_run(backend: None) -> None:
    program = nnc.compile(walk)
    for compute in (program, walk):
        for first, expected in ((1, [1, 2, 0, 0]), (2, [2, 0, 0, 0]), (7, [0, 0, 0, 0])):
            found = compute(nd.array([first]), nd.array([3]))
            assert found.asnumpy().ravel().tolist() == expected
        message = f"take: indices go from 0 to 2, computed 2.0 to 4.0 at {__file__}:"
        with pytest.raises(IndexingError, match=re.escape(message)):
            compute(nd.array([2]), nd.array([5])).asnumpy()
        message = f"take: indices are whole numbers; not all of those computed at {__file__}:"
        with pytest.raises(IndexingError, match=re.escape(message)):
            compute(nd.array([0.5]), nd.array([1])).asnumpy()


def test_a_loop_of_no_steps_uses_no_index() -> None:
    def body(x: NDArray, states: list[NDArray]) -> tuple[NDArray, list[NDArray]]:
        return x + nd.array(TABLE[0]).take(nd.array([7])), states

    assert nd.contrib.foreach(body, nd.zeros((0, 1)), [])[0].shape == (0, 1)


@pytest.mark.parametrize(
    ("most", "expected"), [(2, [0, 1, 0]), (3, [0, 1, 1]), (0, [0, 0, 0]), (4, None)]
)
def test_gradients_go_through_bodies_that_are_looked_at(
    most: int, expected: list[float] | None, backend: None
) -> None:
    table = nd.array(TABLE[0])
    table.attach_grad()
    with autograd.record():
        loss = walk(nd.array([1]), nd.array([most]), table).sum()
    loss.backward()
    if expected is not None:
        assert table.grad is not None
        assert table.grad.asnumpy().tolist() == expected
        return
    with pytest.raises(IndexingError, match=r"computed 1\.0 to 3\.0"):
        loss.asnumpy()


class Guarded(gluon.HybridBlock):
    """Scores, of the classes at the labels if these are below a bound."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Dense(3, in_units=2)

    def forward(self, x: NDArray, label: NDArray, most: NDArray) -> NDArray:
        scores = self.dense(x)
        return nd.contrib.cond(
            (label < most).sum(), lambda: cross_entropy(scores, label), lambda: scores.sum(1)
        )


def test_a_step_with_a_wrong_label_in_the_branch_taken_changes_nothing(backend: None) -> None:
    net = Guarded()
    net.initialize()
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "adam")
    step = nnc.compile_step(net, nd.add, trainer)
    x, ones, zero = np.ones((1, 2), np.float32), np.ones(1, np.float32), np.zeros(1, np.float32)

    def weight() -> Any:
        return net.dense.weight.data().asnumpy()

    start = weight()
    step(x, ones * 4, ones * 4, zero)
    after = weight()
    assert (after != start).all()
    message = re.escape("SoftmaxCrossEntropyLoss: labels go from 0 to 2, computed 3.0 to 3.0 at ")
    with pytest.raises(LabelError, match=message):
        step(x, ones * 3, ones * 4, zero)
    with pytest.raises(LabelError, match=message):
        net(*map(nd.array, (x, ones * 3, ones * 4))).asnumpy()
    np.testing.assert_array_equal(weight(), after)


def test_one_hot_of_what_is_no_position_is_a_row_of_zeros(backend: None) -> None:
    given = nd.array([0.5, 1, np.nan, 3, -1])
    expected = np.zeros((5, 3), np.float32)
    expected[1, 1] = 1
    np.testing.assert_array_equal(nd.one_hot(given, 3).asnumpy(), expected)
    np.testing.assert_array_equal(nd.one_hot(np.array([2**32, 1]), 3).asnumpy(), expected[:2])
