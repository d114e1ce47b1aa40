"""Gluon programs on `nnc.gpu(0)`, emulated: they train as on the CPU, and stay on the device."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated_device import EmulatedDriver, emulate_gpus
from sklearn.datasets import load_digits

import nnc
from nnc import autograd, gluon, nd
from nnc.arrays.array import NDArray
from nnc.errors import (
    DeviceError,
    GradientError,
    LabelError,
    NanError,
    OptionError,
    ShapeError,
)
from nnc.gluon import nn

Array = np.ndarray[Any, Any]
BATCH = 8
LOSS = gluon.loss.SoftmaxCrossEntropyLoss()
OPTIONS = {"sgd": {"momentum": 0.9}, "adam": {"epsilon": 1e-4}}
"""With a small epsilon, Adam makes steps of the rounding errors of gradients that are zero."""
SOURCE: Any = load_digits()
IMAGES = (SOURCE.data / 16).astype(np.float32).reshape(-1, 1, 8, 8)
LABELS = SOURCE.target.astype(np.int32)


@pytest.fixture(autouse=True)
def drivers(monkeypatch: pytest.MonkeyPatch) -> list[EmulatedDriver]:
    return emulate_gpus(monkeypatch)


def mlp() -> Any:
    return nn.HybridSequential(nn.Dense(24, "relu"), nn.BatchNorm(), nn.Dropout(0.3), nn.Dense(10))


def cnn() -> Any:
    return nn.HybridSequential(
        nn.Conv2D(4, 3, padding=1, activation="relu"),
        nn.BatchNorm(),
        nn.MaxPool2D(2),
        nn.Dropout(0.2),
        nn.Dense(10),
    )


class Controlled(nn.HybridBlock):
    """A loop over the rows of an image, a loop that stops by itself, a branch, and a checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Dense(6)
        self.head = nn.HybridSequential(nn.BatchNorm(), nn.Dropout(0.2), nn.Dense(10))

    def forward(self, x: NDArray) -> NDArray:
        def row(pixels: NDArray, state: NDArray) -> Any:
            new = nd.tanh(self.inside(pixels) + state)
            return new, new

        def small(state: NDArray) -> NDArray:
            return nd.sum(state * state) < 100

        def double(state: NDArray) -> Any:
            return [], state * 2

        rows = nd.transpose(x.reshape(x.shape[0], 8, 8), (1, 0, 2))
        _, state = nd.contrib.foreach(row, rows, x.reshape(x.shape[0], -1)[:, :6] * 0)
        _, state = nd.contrib.while_loop(small, double, state, max_iterations=3)
        state = nd.contrib.cond(nd.sum(state) > 0, lambda: state, lambda: nd.sin(state))
        return autograd.checkpoint(self.head, state)


def trained(make: Any, optimizer: str, ctx: Any, compiled: bool, steps: int = 4) -> Any:
    """The losses and then the values of a network after some steps on the digits."""
    nnc.random.seed(0)
    net = make()
    net.initialize(nnc.init.Xavier(), ctx=ctx)
    trainer = gluon.Trainer(
        net.collect_params(), optimizer, {"learning_rate": 0.02, **OPTIONS[optimizer]}
    )
    step = nnc.compile_step(net, LOSS, trainer)
    losses: list[Array] = []
    for start in range(0, steps * BATCH, BATCH):
        x, y = IMAGES[start : start + BATCH], LABELS[start : start + BATCH]
        if compiled:
            loss = step(x, y)
        else:
            data, label = nd.array(x, ctx=ctx), nd.array(y, ctx=ctx)
            with autograd.record():
                loss = LOSS(net(data), label)
            loss.backward()
            trainer.step(BATCH)
        losses.append(loss.asnumpy())
    logits = net(nd.array(IMAGES[:BATCH], ctx=ctx))
    return [*losses, *[p.data().asnumpy() for p in net.collect_params().values()], logits.asnumpy()]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("make", [mlp, cnn])
def test_training_agrees_with_the_cpu(make: Any, optimizer: str) -> None:
    expected = trained(make, optimizer, nnc.cpu(), compiled=True)
    for compiled in (False, True):
        found = trained(make, optimizer, nnc.gpu(0), compiled)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_control_flow_agrees_with_the_cpu() -> None:
    """There both branches run, and the results are chosen."""
    expected = trained(Controlled, "sgd", nnc.cpu(), compiled=True, steps=2)
    found = trained(Controlled, "sgd", nnc.gpu(0), compiled=True, steps=2)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def step_on_gpu(optimizer: str = "sgd", dropout: float = 0.0) -> Any:
    nnc.random.seed(0)
    net = nn.HybridSequential(nn.Dense(8, "relu"), nn.Dropout(dropout), nn.Dense(10))
    net.initialize(device=[nnc.gpu(0)])
    trainer = gluon.Trainer(net.collect_params(), optimizer)
    return net, trainer, nnc.compile_step(net, LOSS, trainer)


@pytest.mark.parametrize(
    ("optimizer", "dropout", "uploads"), [("sgd", 0.0, 2), ("adam", 0.0, 3), ("sgd", 0.5, 3)]
)
def test_a_compiled_step_waits_for_nothing(
    drivers: list[EmulatedDriver], optimizer: str, dropout: float, uploads: int
) -> None:
    """Uploads are the two inputs, and numbers that change: corrections, the counter of draws."""
    _, _, step = step_on_gpu(optimizer, dropout)
    for _ in range(2):
        step(IMAGES[:BATCH], LABELS[:BATCH])
    before = drivers[0].calls.copy()
    for _ in range(5):
        assert step(IMAGES[:BATCH], LABELS[:BATCH]).device is nnc.gpu(0)
    launches = len(step.program.artifact.launches)
    made = drivers[0].calls - before
    assert made == Counter(replay=5, launch=5 * launches, upload=5 * uploads, copy=5)


def test_the_plain_loop_waits_for_nothing(drivers: list[EmulatedDriver]) -> None:
    net, trainer, _ = step_on_gpu()
    batches = gluon.utils.split_and_load(IMAGES[:BATCH], [nnc.gpu(0)])
    label = nd.array(LABELS[:BATCH]).as_in_context(nnc.gpu(0))
    calls: list[Counter[str]] = []
    for _ in range(4):
        before = drivers[0].calls.copy()
        with autograd.record():
            loss = LOSS(net(batches[0]), label)
        loss.backward()
        trainer.step(BATCH)
        calls.append(drivers[0].calls - before)
    assert calls[-1] == calls[-2]
    assert set(calls[-1]) == {"replay", "launch", "copy"}


def test_state_is_where_the_parameters_are() -> None:
    net, trainer, step = step_on_gpu("adam")
    net(nd.zeros((1, 64), ctx=nnc.gpu(0)))
    gradients = [parameter.grad() for parameter in net.collect_params().values()]
    step(IMAGES[:BATCH], LABELS[:BATCH])
    assert {gradient.device for gradient in gradients} == {nnc.gpu(0)}
    assert all(np.any(gradient.asnumpy()) for gradient in gradients)
    for parameter in net.collect_params().values():
        assert parameter.list_ctx() == [nnc.gpu(0)]
        assert parameter.data(nnc.gpu(0)).context is nnc.gpu(0)
        assert {state.device for state in trainer.states(parameter)} == {nnc.gpu(0)}
    assert "__global__" in step.source
    assert step.report().kernels


def test_parameters_move_through_files(tmp_path: Path) -> None:
    net, _, step = step_on_gpu()
    step(IMAGES[:BATCH], LABELS[:BATCH])
    file = str(tmp_path / "net.safetensors")
    net.save_parameters(file)
    expected = net(nd.array(IMAGES[:BATCH], ctx=nnc.gpu(0))).asnumpy()
    for ctx in (nnc.cpu(), nnc.gpu(0)):
        other, _, _ = step_on_gpu()
        other.load_parameters(file, ctx=ctx)
        x = nd.array(IMAGES[:BATCH]).as_in_context(ctx)
        np.testing.assert_allclose(other(x).asnumpy(), expected, rtol=1e-5, atol=1e-6)
    other.reset_ctx(nnc.cpu())
    found = other(nd.array(IMAGES[:BATCH])).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_training_on_a_device_goes_on(tmp_path: Path) -> None:
    net, trainer, step = step_on_gpu("adam", 0.5)
    step(IMAGES[:BATCH], LABELS[:BATCH])
    nnc.checkpoint.save(tmp_path / "run", net, trainer)
    expected = [step(IMAGES[:BATCH], LABELS[:BATCH]).asnumpy() for _ in range(2)]
    nnc.checkpoint.load(tmp_path / "run", net, trainer)
    found = [step(IMAGES[:BATCH], LABELS[:BATCH]).asnumpy() for _ in range(2)]
    np.testing.assert_array_equal(found, expected)
    assert {state.device for p in net.collect_params().values() for state in trainer.states(p)} == {
        nnc.gpu(0)
    }


def test_arrays_on_a_device() -> None:
    ctx = nnc.gpu(0)
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = nd.array(values, ctx=ctx)
    assert x.ctx is x.device is ctx
    assert str(ctx) == "gpu(0)"
    assert "2x3 float32 @gpu(0)" in repr(x)
    for found, expected in (
        (x * 2 + values, values * 3),
        (x[1], values[1]),
        (x.T, values.T),
        (x.take([1, 0]), values[[1, 0]]),
        (x[[1]], values[[1]]),
        (x.reshape(3, -1) + nd.ones((3, 2), ctx=ctx), values.reshape(3, 2) + 1),
        (nd.zeros_like(x), values * 0),
        (nd.where(x > 2, x, np.zeros_like(values)), values * (values > 2)),
        (nd.arange(3, device=ctx) + nd.full((3,), 2, ctx=ctx), np.arange(3) + 2),
        (nd.pick(x, [0, 2]), values[[0, 1], [0, 2]]),
    ):
        assert found.device is ctx
        np.testing.assert_array_equal(found.asnumpy(), expected)
    with ctx, nnc.gpu(1), ctx:
        made = [nd.array(values), nd.zeros((2,)), nd.arange(3), nd.random.normal(shape=(2,))]
        assert {array.device for array in made} == {ctx}
        assert (nd.ones((2,), ctx=nnc.cpu()) + values[:, 0]).device is nnc.cpu()
        layer = nn.Dense(2, in_units=3)
        layer.initialize()
        assert layer(made[0]).device is ctx
    assert nd.zeros((2,)).device is nnc.cpu()
    x[:, 1] = -1
    x[0] += 1
    assert x.tolist() == [[1, 0, 3], [3, -1, 5]]
    assert float(x.sum()) == 11


def test_draws_are_those_of_the_host() -> None:
    drawn: list[list[Array]] = []
    for device in (nnc.cpu(), nnc.gpu(0)):
        nnc.random.seed(1)
        normal = nnc.random.normal(shape=(4,), device=device)
        drawn.append([normal.asnumpy(), nnc.random.uniform(shape=(4,), ctx=device).asnumpy()])
    np.testing.assert_allclose(drawn[0], drawn[1], rtol=1e-6)


def test_copies_between_devices() -> None:
    host = nd.array([1, 2])
    first = host.as_in_context(nnc.gpu(0))
    assert first.as_in_ctx(nnc.gpu(0)) is first
    second = first.to_device(nnc.gpu(1))
    assert second.device is nnc.gpu(1)
    assert first.copyto(nnc.cpu()).device is nnc.cpu()
    target = nd.zeros((2,), ctx=nnc.gpu(0))
    assert (second * 3).copyto(target) is target
    assert target.tolist() == [3, 6]
    assert first.copyto(nnc.gpu(0)) is not first
    np.testing.assert_array_equal(np.from_dlpack(first), [1, 2])
    with pytest.raises(ShapeError, match=r"copyto: expected shape \(2,\), given \(1,\)"):
        nd.array([1]).copyto(target)


def test_what_waits_on_two_devices_is_two_programs(drivers: list[EmulatedDriver]) -> None:
    a, b = nd.ones((2,)) * 3, nd.ones((2,), ctx=nnc.gpu(0)) * 4
    weight = gluon.Parameter(shape=(2,), init="ones")
    weight.initialize(ctx=nnc.gpu(0))
    weight.data()[:] = b
    assert a.tolist() == [3, 3]
    assert drivers[0].calls["launch"]
    assert (b.tolist(), weight.data().tolist()) == ([4, 4], [4, 4])


def test_derived_values_follow_their_parameters() -> None:
    weight = gluon.Parameter(shape=(2,), init="ones")
    weight.initialize(ctx=nnc.gpu(0))
    for expected in (nd.array([4, 4]), nd.array([20, 20])):
        scaled = weight.data().square() + 1
        assert (nd.ones((2,), ctx=nnc.gpu(0)) * 2 * scaled).tolist() == expected.tolist()
        weight.data()[:] = 3
        weight.data().wait_to_read()
    assert any(program.preparation is not None for program in nnc.programs())


def test_gradients_of_arrays_and_added_gradients() -> None:
    x = nd.array([1, 2], ctx=nnc.gpu(0))
    x.attach_grad("add")
    for _ in range(2):
        with autograd.record():
            y = x * x
        y.backward(nd.array([1, 10], ctx=nnc.gpu(0)))
    assert x.grad is not None
    assert x.grad.device is nnc.gpu(0)
    assert x.grad.tolist() == [4, 80]


def test_devices_that_meet_are_an_error() -> None:
    host, device = nd.ones((2,)), nd.ones((2,), ctx=nnc.gpu(0))
    expected = (
        r"add: arrays on cpu\(0\) and on gpu\(0\) meet; copy one to the other's device, as in "
        r"x\.as_in_context\(nnc\.gpu\(0\)\)"
    )
    with pytest.raises(DeviceError, match=expected):
        nd.add(host, device)
    net, _, _ = step_on_gpu()
    with pytest.raises(DeviceError, match=r"dense: arrays on cpu\(0\) and on gpu\(0\) meet"):
        net(nd.array(IMAGES[:BATCH]))
    device.attach_grad()
    with autograd.record():
        y = device * 2
        with pytest.raises(GradientError, match=r"cannot go from gpu\(0\) to cpu\(0\); copy the"):
            y.as_in_context(nnc.cpu())


def test_a_trainer_does_not_follow_its_parameters() -> None:
    net, _, step = step_on_gpu("adam")
    step(IMAGES[:BATCH], LABELS[:BATCH])
    net.reset_ctx(nnc.cpu())
    message = r"'0\.weight\.mean' is on gpu\(0\), but what is computed with it is on cpu\(0\); move"
    with pytest.raises(DeviceError, match=message):
        step(IMAGES[: BATCH // 2], LABELS[: BATCH // 2])


def test_options() -> None:
    assert nnc.num_gpus() == 2
    assert nnc.cpu(1) is nnc.cpu()
    net, _, step = step_on_gpu()
    with pytest.raises(DeviceError, match=r"initialize: 2 devices given, \[gpu\(0\), gpu\(1\)\]"):
        net.initialize(ctx=[nnc.gpu(0), nnc.gpu(1)])
    with pytest.raises(OptionError, match="initialize: device and ctx are two names"):
        net.initialize(ctx=nnc.gpu(0), device=nnc.gpu(0))
    with pytest.raises(OptionError, match=r"full: expected a device, nnc\.cpu\(\) .* given 'gpu'"):
        nd.zeros((1,), ctx="gpu")
    step(IMAGES[:BATCH], LABELS[:BATCH])
    with pytest.raises(DeviceError, match=r"'0\.weight' is on gpu\(0\), not on cpu\(0\)"):
        net[0].weight.data(nnc.cpu())
    for _ in range(2):
        with pytest.raises(LabelError, match="labels go from 0 to 9, given 12 to 12"):
            step(IMAGES[:BATCH], np.full(BATCH, 12))
    with pytest.raises(DeviceError, match="NNC_BACKEND=interpret computes on the host, given"):
        on_interpreter(nd.ones((3,), ctx=nnc.gpu(0)))


def on_interpreter(x: Any) -> None:
    before = nnc.configure(backend="interpret")
    try:
        (x + 1).asnumpy()
    finally:
        nnc.configure(backend=before.backend)


def test_nan_check() -> None:
    before = nnc.configure(check_nans=True)
    try:
        net, _, step = step_on_gpu("adam")
        step(IMAGES[:BATCH], LABELS[:BATCH])
        weight = net[0].weight.data()
        expected = weight.asnumpy()
        bad = IMAGES[:BATCH].copy()
        bad[0] = np.nan
        with pytest.raises(NanError, match="parameters and state are as before the call"):
            step(bad, LABELS[:BATCH])
        np.testing.assert_array_equal(weight.asnumpy(), expected)
    finally:
        nnc.configure(check_nans=before.check_nans)


def test_a_compiled_function() -> None:
    def twice(x: NDArray) -> NDArray:
        return x * 2

    double = nnc.compile(twice)
    for ctx in (nnc.cpu(), nnc.gpu(0)):
        result = double(nd.ones((2,), ctx=ctx))
        assert result.device is ctx
        assert result.tolist() == [2, 2]


class Steep(autograd.Function):
    """A gradient that is not its own: 4."""

    def forward(self, x: NDArray) -> NDArray:
        return x * x

    def backward(self, dy: NDArray) -> NDArray:
        return dy * 4


def test_a_network_is_exported_from_one_device_and_imported_on_another(tmp_path: Path) -> None:
    net = mlp()
    net.initialize(ctx=nnc.gpu(0))
    net.hybridize()
    x = nd.array(IMAGES[:2], ctx=nnc.gpu(0))
    expected = net(x).asnumpy()
    symbol, parameters = net.export(tmp_path / "net")
    again = gluon.SymbolBlock.imports(symbol, "data", parameters, ctx=nnc.gpu(0))
    assert again(x).device is nnc.gpu(0)
    np.testing.assert_array_equal(again(x).asnumpy(), expected)
    here = gluon.SymbolBlock.imports(symbol, "data", parameters)
    np.testing.assert_allclose(here(nd.array(IMAGES[:2])).asnumpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_gradient_of_ones_own() -> None:
    x = nd.array([1, 2], ctx=nnc.gpu(0))
    x.attach_grad()
    with autograd.record():
        y = Steep()(x)
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [4, 4]


def test_nothing_is_computed_to_look_at_indices_in_branches() -> None:
    """An index that does not exist is the nearest one that does."""
    table = nd.array([10, 20, 30], ctx=nnc.gpu(0))

    def chosen(index: NDArray) -> Any:
        return nd.contrib.cond(index < 9, lambda: table.take(index), lambda: table[:1])

    program = nnc.compile(chosen)
    assert program(nd.array([4], ctx=nnc.gpu(0))).asnumpy().tolist() == [30]
    assert "nn.reduce" not in program.ir("frontend")
