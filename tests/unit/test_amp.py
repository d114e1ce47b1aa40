"""Half precision from Gluon: `amp`, `net.cast`, loss scaling; and whole steps in float64."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save as to_bytes

import nnc
from nnc import amp, autograd, gluon, nd
from nnc.errors import DtypeError, NanError, OptionError
from nnc.functions import CompiledStep
from nnc.gluon import nn

IMAGES = np.random.default_rng(0).standard_normal((8, 2, 6, 6)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 10, 8)
LOSS = gluon.loss.SoftmaxCrossEntropyLoss()


@pytest.fixture(autouse=True)
def restored_precision() -> Iterator[None]:
    before = nnc.configure()
    yield
    nnc.configure(backend=before.backend, precision=before.precision)


def network() -> nn.HybridSequential:
    nnc.random.seed(1)
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D())
    net.add(nn.Dense(16), nn.LayerNorm(), nn.Dense(10))
    net.initialize(nnc.init.Xavier())
    return net


def compiled_step(net: nn.HybridSequential, optimizer: str = "adam") -> CompiledStep:
    trainer = gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.01})
    return nnc.compile_step(net, LOSS, trainer)


def losses(step: CompiledStep, dtype: str = "float32") -> list[float]:
    """The mean losses of a few steps."""
    x = IMAGES.astype(dtype)
    return [float(step(x, LABELS).astype("float64").mean()) for _ in range(4)]


def halved(trainer: gluon.Trainer) -> float:
    assert trainer.scaler is not None
    return trainer.scaler.loss_scale


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 5e-3), ("bfloat16", 3e-2)])
def test_networks_of_half_precision_train(dtype: str, tolerance: float) -> None:
    net = network()
    net.cast(dtype)
    given = losses(compiled_step(net), dtype)
    assert given == pytest.approx(losses(compiled_step(network())), rel=tolerance)
    assert given[-1] < given[0]
    dtypes = {name: p.dtype.name for name, p in net.collect_params().items()}
    assert {d for name, d in dtypes.items() if not name.startswith("1.")} == {dtype}
    assert {d for name, d in dtypes.items() if name.startswith("1.")} == {"float32"}
    net.cast("float32")
    assert net(nd.array(IMAGES)).dtype == np.float32


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 2e-3), ("bfloat16", 1e-2)])
def test_products_in_half_precision(dtype: str, tolerance: float) -> None:
    exact = losses(compiled_step(network()))
    amp.init(dtype)
    net = network()
    step = compiled_step(net)
    assert losses(step) == pytest.approx(exact, rel=tolerance)
    assert {p.dtype.name for p in net.collect_params().values()} == {"float32"}
    element = {"float16": "f16", "bfloat16": "bf16"}[dtype]
    graph = step.ir("graph")
    assert f"x{element}>) -> tensor<8x10xf32>" in graph
    assert not any(element in line for line in graph.splitlines() if "adam" in line)


def test_masters_take_steps_that_half_precision_cannot() -> None:
    weights: dict[bool, float] = {}
    for multi_precision in (False, True):
        net = nn.Dense(1, use_bias=False, in_units=1)
        net.initialize(nnc.init.One())
        net.cast("float16")
        options = {"learning_rate": 1e-4, "multi_precision": multi_precision}
        trainer = gluon.Trainer(net.collect_params(), "sgd", options)
        for _ in range(20):
            with autograd.record():
                loss = net(nd.ones((1, 1), dtype="float16"))
            loss.backward()
            trainer.step(1)
        weights[multi_precision] = float(net.weight.data().item())
    assert weights[False] == 1.0
    assert weights[True] == pytest.approx(1 - 20e-4, abs=5e-4)


def test_a_precision_that_is_none() -> None:
    with pytest.raises(OptionError, match=r"amp.init: target_dtype: no .float64.*float16"):
        amp.init("float64")
    with pytest.raises(OptionError, match="lists of operations are not supported"):
        amp.init(fp32_ops=["exp"])
    with pytest.raises(OptionError, match="precision: no 'f16'"):
        nnc.configure(precision="f16")


def scaling(scale: float) -> tuple[nn.HybridSequential, gluon.Trainer]:
    """A network whose trainer scales losses, from this scale on."""
    amp.init()
    net = network()
    net(nd.array(IMAGES))
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
    amp.init_trainer(trainer)
    assert trainer.scaler is not None
    trainer.scaler.loss_scale = scale
    return net, trainer


def values(net: nn.HybridSequential) -> dict[str, Any]:
    learned = {k: p for k, p in net.collect_params().items() if p.grad_req != "null"}
    return {name: p.data().asnumpy() for name, p in learned.items()}


def test_scaling_changes_nothing_but_what_vanishes() -> None:
    amp.init()
    plain = losses(compiled_step(network()))
    net, trainer = scaling(2.0**10)
    scaled = losses(nnc.compile_step(net, LOSS, trainer))
    assert scaled == pytest.approx(plain, rel=1e-3)
    assert halved(trainer) == 2.0**10


@pytest.mark.parametrize("compiled", [True, False])
def test_a_step_that_overflows_is_skipped(compiled: bool) -> None:
    net, trainer = scaling(2.0**40)
    step = nnc.compile_step(net, LOSS, trainer)

    def run() -> None:
        if compiled:
            step(IMAGES, LABELS)
            return
        with autograd.record():
            loss = LOSS(net(nd.array(IMAGES)), nd.array(LABELS))
            with amp.scale_loss(loss, trainer) as scaled:
                scaled.backward()
        trainer.step(len(IMAGES))

    before = values(net)
    run()
    programs = len(nnc.programs())
    assert halved(trainer) == 2.0**39
    assert trainer.optimizer.num_update == 0
    run()
    assert all((values(net)[name] == value).all() for name, value in before.items())
    assert trainer.scaler is not None
    trainer.scaler.loss_scale = 2.0**10
    run()
    assert trainer.optimizer.num_update == 1
    assert all((values(net)[name] != value).any() for name, value in before.items())
    assert len(nnc.programs()) == programs


def test_the_scale_grows_after_many_steps() -> None:
    net, trainer = scaling(4.0)
    scaler = amp.LossScaler(init_scale=4.0, scale_window=2)
    trainer.scaler = scaler
    step = nnc.compile_step(net, LOSS, trainer)
    seen = []
    for _ in range(5):
        step(IMAGES, LABELS)
        seen.append(scaler.loss_scale)
    assert seen == [4.0, 8.0, 8.0, 16.0, 16.0]


def test_unscaled_gradients() -> None:
    gradients = []
    for scale in (1.0, 2.0**10):
        net, trainer = scaling(scale)
        with autograd.record():
            loss = LOSS(net(nd.array(IMAGES)), nd.array(LABELS))
            with amp.scale_loss([loss], trainer) as [scaled]:
                scaled.backward()
        amp.unscale(trainer)
        gradients.append(net.collect_params()["6.weight"].grad().asnumpy())
        trainer.step(len(IMAGES))
        gradients.append(values(net)["6.weight"])
    assert gradients[2] == pytest.approx(gradients[0], rel=2e-2, abs=1e-3)
    assert gradients[3] == pytest.approx(gradients[1], abs=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_files_hold_half_precision(tmp_path: Path, dtype: str) -> None:
    file = str(tmp_path / "net")
    net, other = nn.Dense(3, in_units=4), nn.Dense(3, in_units=4)
    net.initialize(nnc.init.Normal())
    net.cast(dtype)
    net.save_parameters(file)
    other.load_parameters(file)
    assert other.weight.dtype == np.float32
    assert (other.weight.data() == net.weight.data()).asnumpy().all()
    other.load_parameters(file, cast_dtype=True, dtype_source="saved")
    assert other.weight.dtype.name == dtype


def test_a_file_of_a_type_that_arrays_lack(tmp_path: Path) -> None:
    file = tmp_path / "net"
    file.write_bytes(to_bytes({"weight": np.ones((3, 4), np.uint16), "bias": np.ones(3)}))
    with pytest.raises(DtypeError, match="'weight' holds U16; expected one of F16, BF16, F32"):
        nn.Dense(3, in_units=4).load_parameters(str(file))


def test_sums_of_gradients_are_wide() -> None:
    """5000 times 1 is beyond what f16 counts to one by one."""
    table = nd.zeros((2, 3), dtype="float16")
    table.attach_grad()
    with autograd.record():
        total = table.take(np.zeros(5000, np.int64)).sum()
    total.backward()
    assert table.grad is not None
    assert table.grad.tolist() == [[5000.0] * 3, [0.0] * 3]


def test_nan_of_half_precision_is_found() -> None:
    before = nnc.configure(check_nans=True)
    try:
        with pytest.raises(NanError, match="1 NaN in 2 elements"):
            nd.array([1.0, -1.0], dtype="bfloat16").log().asnumpy()
    finally:
        nnc.configure(check_nans=before.check_nans)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_step_in_float64(optimizer: str) -> None:
    """The compiled program, with int64 labels, and the interpreted one."""
    results = []
    for backend in ("compile", "interpret"):
        nnc.configure(backend=backend)
        net = network()
        net.cast("float64")
        step = compiled_step(net, optimizer)
        results.append([*losses(step, "float64"), *map(float, values(net)["6.bias"])])
        assert all(value.dtype == np.float64 for value in values(net).values())
    assert results[0] == pytest.approx(results[1], rel=1e-12)
