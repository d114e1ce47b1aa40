"""Networks, trainers and parameters: what is computed when, and what mistakes say."""

import gc
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd
from nnc.arrays.array import NDArray
from nnc.errors import (
    DeferredInitializationError,
    DeviceError,
    DtypeError,
    GradientError,
    LabelError,
    OptionError,
    ShapeError,
    StaleGradientError,
)
from nnc.gluon import nn


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((8, 5)).astype(np.float32)
Y = RANDOM.integers(0, 3, 8)


def network(*layers: Any) -> nn.HybridSequential:
    nnc.random.seed(1)
    default = nn.Dense(4, "tanh", in_units=5), nn.Dense(3, in_units=4)
    net = nn.HybridSequential(*(layers or default))
    net.initialize(nnc.init.Xavier())
    return net


def trained(net: Any, optimizer: str = "sgd", **options: Any) -> gluon.Trainer:
    return gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.1, **options})


def forward(net: Any) -> NDArray:
    with autograd.record():
        return gluon.loss.SoftmaxCrossEntropyLoss()(net(nd.array(X)), nd.array(Y))


def values(net: Any) -> list[np.ndarray[Any, Any]]:
    return [p.data().asnumpy() for p in net.collect_params().values()]


def test_a_step_is_one_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnc.compilation.execution._entries", OrderedDict())
    net = network()
    trainer = trained(net, momentum=0.9)
    losses: list[float] = []
    for _ in range(5):
        loss = forward(net)
        loss.backward()
        trainer.step(8)
        before = len(nnc.programs())
        losses.append(loss.asnumpy().mean())
        assert len(nnc.programs()) == before
    assert losses == sorted(losses, reverse=True)
    report = nnc.programs()[-1].structure
    assert sum(tied >= 0 for _, tied in report.results) == 8


def test_looking_at_the_loss_before_the_step_gives_the_same_numbers() -> None:
    nets = network(), network()
    for net, look in zip(nets, (False, True), strict=True):
        trainer = trained(net, "adam")
        for _ in range(3):
            loss = forward(net)
            if look:
                loss.wait_to_read()
            loss.backward()
            if look:
                net.collect_params()["0.weight"].grad().wait_to_read()
            trainer.step(8)
    for a, b in zip(*map(values, nets), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_compile_step_trains_as_the_loop() -> None:
    nets = network(), network()
    loop, compiled = (trained(net, "adam") for net in nets)
    step = nnc.compile_step(nets[1], gluon.loss.SoftmaxCrossEntropyLoss(), compiled)
    for rate in (0.1, 0.1, 0.05):
        loop.set_learning_rate(rate)
        compiled.set_learning_rate(rate)
        loss = forward(nets[0])
        loss.backward()
        loop.step(8)
        np.testing.assert_allclose(step(X, Y).asnumpy(), loss.asnumpy(), rtol=1e-6)
    for a, b in zip(*map(values, nets), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    with pytest.raises(LabelError, match="labels go from 0 to 2, given 0 to 9"):
        step(X, np.where(np.arange(8) == 3, 9, 0))
    assert compiled.optimizer.num_update == 3


def test_compile_step_takes_several_labels() -> None:
    def loss_of(given: nd.NDArray, labels: Any) -> nd.NDArray:
        classes, scale = labels
        return gluon.loss.SoftmaxCrossEntropyLoss()(given, classes) * scale.reshape(-1)

    nets = network(), network()
    one, two = (trained(net, "adam") for net in nets)
    plain = nnc.compile_step(nets[0], gluon.loss.SoftmaxCrossEntropyLoss(), one)
    step = nnc.compile_step(nets[1], loss_of, two)
    for _ in range(2):
        loss = step(X, (Y, nd.ones((8, 1)))).asnumpy()
        np.testing.assert_allclose(loss, plain(X, Y).asnumpy(), rtol=1e-6)
    for a, b in zip(*map(values, nets), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_compile_step_gives_predictions() -> None:
    """Those from before the update, as one array or the list that the network gives."""
    net, plain = network(), network()
    trainer = trained(net, "adam")
    step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer, predictions=True)

    def two(x: nd.NDArray) -> list[nd.NDArray]:
        return [plain(x), x + 1]

    def loss_of(given: list[nd.NDArray], label: nd.NDArray) -> nd.NDArray:
        return gluon.loss.SoftmaxCrossEntropyLoss()(given[0], label)

    pair = nnc.compile_step(two, loss_of, trained(plain, "adam"), predictions=True)
    for _ in range(3):
        expected = net(nd.array(X)).asnumpy()
        loss, predicted = step(X, Y)
        np.testing.assert_allclose(predicted.asnumpy(), expected, rtol=1e-6)
        same, (first, second) = pair(X, Y)
        np.testing.assert_allclose(same.asnumpy(), loss.asnumpy(), rtol=1e-6)
        np.testing.assert_allclose(first.asnumpy(), expected, rtol=1e-6)
        np.testing.assert_array_equal(second.asnumpy(), X + 1)


def test_data_is_live_and_copies_are_snapshots() -> None:
    net = network()
    forward(net)
    weight = net.collect_params()["0.weight"]
    live, snapshot, pending = weight.data(), weight.data().copy(), weight.data() * 2
    start = weight.data().asnumpy()
    forward(net).backward()
    trained(net).step(8)
    np.testing.assert_array_equal(snapshot.asnumpy(), start)
    np.testing.assert_array_equal(pending.asnumpy(), start * 2)
    assert not np.array_equal(live.asnumpy(), start)


def test_a_pending_read_of_a_parameter_sees_what_it_recorded() -> None:
    net = network()
    forward(net)
    weight = net.collect_params()["0.weight"]
    start = weight.data().asnumpy()
    loss = forward(net)
    pending = weight.data() * 2
    loss.backward()
    trained(net).step(8)
    np.testing.assert_array_equal(pending.asnumpy(), start * 2)


def test_gradients_survive_a_step_only_where_they_are_held() -> None:
    net = network()
    trainer = trained(net)
    loss = forward(net)
    held = net.collect_params()["0.weight"].grad()
    loss.backward()
    trainer.step(8)
    assert np.abs(held.asnumpy()).max() > 0
    with pytest.raises(GradientError, match=r"parameter '1.weight' went straight into the update"):
        net.collect_params()["1.weight"].grad()


def test_accumulated_gradients() -> None:
    once, twice = network(), network()
    twice.setattr("grad_req", "add")
    forward(once).backward()
    trained(once, learning_rate=0.2).step(8)
    for _ in range(2):
        forward(twice).backward()
    trained(twice).step(8)
    for a, b in zip(values(once), values(twice), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    twice.zero_grad()
    assert np.abs(twice.collect_params()["0.weight"].grad().asnumpy()).max() == 0


def test_two_trainers_share_a_backward() -> None:
    net = network()
    forward(net)
    start = values(net)
    parameters = net.collect_params()
    first = gluon.Trainer([parameters["0.weight"], parameters["0.bias"]], "sgd")
    second = gluon.Trainer(net.collect_params("1"), "sgd")
    forward(net).backward()
    first.step(8)
    second.step(8)
    assert all(not np.array_equal(a, b) for a, b in zip(start, values(net), strict=True))


def test_multipliers_and_weight_decay() -> None:
    net = network()
    forward(net)
    start = values(net)
    net.collect_params()["0.bias"].lr_mult = 0.0
    forward(net).backward()
    trained(net, wd=0.1).step(8)
    assert np.array_equal(values(net)[1], start[1])
    assert not np.array_equal(values(net)[3], start[3])


OPTIMIZERS = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9, "wd": 0.1, "clip_gradient": 0.1}),
    ("nag", {}),
    ("adam", {}),
    ("rmsprop", {}),
    ("rmsprop", {"centered": True}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_optimizers_reduce_the_loss(name: str, options: dict[str, Any]) -> None:
    net = network()
    trainer = trained(net, name, **{"learning_rate": 0.02, **options})
    losses: list[float] = []
    for _ in range(6):
        loss = forward(net)
        loss.backward()
        trainer.step(8)
        losses.append(loss.asnumpy().mean())
    assert losses[-1] < losses[0]


def test_a_schedule_gives_the_rate_of_each_update() -> None:
    net = network()
    seen: list[int] = []

    def schedule(update: int) -> float:
        seen.append(update)
        return 0.1 / update

    trainer = gluon.Trainer(net.collect_params(), "sgd", {"lr_scheduler": schedule})
    for _ in range(2):
        forward(net).backward()
        trainer.step(8)
    assert sorted(set(seen)) == [1, 2]
    with pytest.raises(OptionError, match="comes from lr_scheduler"):
        trainer.set_learning_rate(1.0)


def test_state_changes_in_the_forward_pass_once() -> None:
    net = network(nn.Dense(4), nn.BatchNorm(), nn.Dense(3))
    loss = forward(net)
    loss.wait_to_read()
    mean = net.collect_params()["1.running_mean"]
    expected = mean.data().asnumpy()
    loss.backward()
    trained(net).step(8)
    np.testing.assert_array_equal(mean.data().asnumpy(), expected)
    assert np.abs(expected).max() > 0
    net(nd.array(X)).wait_to_read()
    np.testing.assert_array_equal(mean.data().asnumpy(), expected)


def test_an_exception_inside_record_takes_state_and_counters_back() -> None:
    net = network(nn.Dense(4), nn.BatchNorm(), nn.Dropout(0.5), nn.Dense(3))
    net(nd.array(X)).wait_to_read()
    mean = net.collect_params()["1.running_mean"].data()
    counter = nnc.random.generator.counter
    with pytest.raises(ShapeError, match="add: shapes"), autograd.record():
        nd.add(net(nd.array(X)), nd.ones((7,)))
    assert np.abs(mean.asnumpy()).max() == 0
    assert nnc.random.generator.counter == counter


def test_dropout_draws_in_training_only() -> None:
    layer = nn.Dropout(0.5)
    x = nd.ones((1000,))
    assert layer(x) is x
    with autograd.record():
        first, second = layer(x).asnumpy(), layer(x).asnumpy()
    assert set(first) == {0.0, 2.0}
    assert 400 < (first > 0).sum() < 600
    assert not np.array_equal(first, second)


def test_shapes_are_found_at_the_first_call() -> None:
    net = network(nn.Conv2D(2, 3), nn.Flatten(), nn.Dense(3))
    weight = net.collect_params()["2.weight"]
    assert weight.shape == (3, 0)
    with pytest.raises(DeferredInitializationError, match=r"'2.weight' has shape"):
        weight.data()
    net(nd.ones((1, 1, 5, 6)))
    assert weight.shape == (3, 2 * 3 * 4)
    with pytest.raises(ShapeError, match="takes 24 inputs, given 2"):
        net[2](nd.ones((1, 2)))


def test_set_data_in_logical_shape() -> None:
    layer = nn.Dense(2, in_units=3)
    layer.initialize()
    weight = np.arange(6.0).reshape(2, 3)
    layer.weight.set_data(weight)
    np.testing.assert_array_equal(layer.weight.data().asnumpy(), weight)
    np.testing.assert_array_equal(layer(nd.array([[1, 0, 0]])).asnumpy(), [[0, 3]])
    with pytest.raises(ShapeError, match=r"parameter 'weight': expected shape \(2, 3\)"):
        layer.weight.set_data(np.zeros((3, 2)))


def test_float64_networks() -> None:
    net = network()
    net.cast("float64")
    with autograd.record():
        loss = gluon.loss.L2Loss()(net(nd.array(X, "float64")), nd.zeros((8, 3), "float64"))
    loss.backward()
    trained(net).step(8)
    assert loss.dtype == np.float64
    with pytest.raises(DtypeError, match=r"Dense: the input is float32.*net.cast"):
        net(nd.array(X))


def test_saving_and_loading(tmp_path: Path) -> None:
    net, other = network(), network(nn.Dense(4), nn.Dense(3))
    forward(net)
    forward(other)
    file = str(tmp_path / "net.safetensors")
    net.save_parameters(file)
    other.load_parameters(file)
    for a, b in zip(values(net), values(other), strict=True):
        np.testing.assert_array_equal(a, b)
    small = network(nn.Dense(4))
    small(nd.array(X))
    before = values(small)
    with pytest.raises(OptionError, match=r"has \['1.bias', '1.weight'\] that the network lacks"):
        small.load_parameters(file)
    (tmp_path / "broken").write_bytes(b"x" * 20)
    with pytest.raises(OptionError, match="not a safetensors file"):
        small.load_parameters(str(tmp_path / "broken"))
    for a, b in zip(before, values(small), strict=True):
        np.testing.assert_array_equal(a, b)


def test_step_without_backward_names_the_parameter() -> None:
    deferred = network(nn.Dense(3))
    with pytest.raises(DeferredInitializationError, match=r"'0\.weight'"):
        trained(deferred).step(8)
    net = network()
    trainer = trained(net)
    before = values(net)
    with pytest.raises(StaleGradientError, match=r"gradient of parameter '0.weight', '0.bias'"):
        trainer.step(8)
    forward(net).backward()
    trainer.step(8)
    with pytest.raises(StaleGradientError):
        trainer.step(8)
    trainer.step(8, ignore_stale_grad=True)
    assert trainer.optimizer.num_update == 2
    assert not np.array_equal(values(net)[0], before[0])


def test_a_trainer_of_another_network_is_told_so() -> None:
    net, other = network(), network()
    forward(net)
    forward(other).backward()
    with pytest.raises(
        StaleGradientError,
        match=r"the last step; it has of parameter '0.weight', which .* of another network than",
    ):
        trained(net).step(8)


def test_a_failing_program_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    trainer = trained(net, "adam")
    forward(net)
    before = values(net)
    loss = forward(net)
    loss.backward()

    def fail(graph: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("nnc.recording.recorder.execute", fail)
        with pytest.raises(ZeroDivisionError):
            trainer.step(8)
    assert trainer.optimizer.num_update == 0
    for a, b in zip(before, values(net), strict=True):
        np.testing.assert_array_equal(a, b)
    forward(net).backward()
    trainer.step(8)


def test_initialize_again_keeps_the_weights() -> None:
    net = network()
    forward(net)
    before = values(net)
    with pytest.warns(UserWarning, match="already initialized and keep their values: '0.weight'"):
        net.initialize()
    for a, b in zip(before, values(net), strict=True):
        np.testing.assert_array_equal(a, b)
    net.initialize(force_reinit=True)
    assert not np.array_equal(values(net)[0], before[0])


def test_softmax_before_softmax_cross_entropy_is_explained() -> None:
    net = network(nn.Dense(3, "softmax"))
    with pytest.warns(UserWarning, match=r"softmax would be applied twice.*from_logits=True"):
        forward(net)


def test_a_batch_size_may_be_computed() -> None:
    """As in sequences, whose losses are divided by how many words there are."""
    results = []
    for size in (5, nd.array([2, 3]).sum()):
        net = nn.Dense(2, in_units=3)
        net.initialize("ones")
        trainer = gluon.Trainer(net.collect_params(), "sgd")
        with autograd.record():
            loss = net(nd.ones((4, 3))).square().sum()
        loss.backward()
        trainer.step(size)
        results.append(net.weight.data().asnumpy())
    np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.parametrize("size", [0, -1, "5", float("nan")])
def test_a_wrong_batch_size_changes_nothing(size: Any) -> None:
    net = nn.Dense(2, in_units=3)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    before = net.weight.data().copy()
    with autograd.record():
        loss = net(nnc.nd.ones((4, 3))).sum()
    loss.backward()
    with pytest.raises(OptionError, match="batch_size"):
        trainer.step(size)
    np.testing.assert_array_equal(net.weight.data(), before)


def test_a_learning_rate_is_a_number() -> None:
    parameters = nn.Dense(2, in_units=3).collect_params()
    with pytest.raises(OptionError, match="learning_rate"):
        gluon.Trainer(parameters, "sgd", {"learning_rate": "0.1"})
    with pytest.raises(OptionError, match="learning_rate"):
        gluon.Trainer(parameters, "sgd").set_learning_rate(cast(Any, None))


def test_unknown_names_are_answered() -> None:
    with pytest.raises(OptionError, match=r"activation: no 'rleu'; did you mean relu"):
        nn.Dense(3, "rleu")
    parameters = nn.Dense(2, in_units=3).collect_params()
    with pytest.raises(OptionError, match=r"optimizer: no 'adm'; did you mean adam"):
        gluon.Trainer(parameters, "adm")
    with pytest.raises(OptionError, match="no option 'learning_rat'; did you mean learning_rate"):
        gluon.Trainer(parameters, "sgd", {"learning_rat": 1})
    with pytest.raises(OptionError, match="no 'xavir'; did you mean xavier"):
        network().initialize("xavir", force_reinit=True)
    with pytest.raises(DeviceError, match="2 devices given"):
        gluon.split_and_load(X, [0, 1])
    with pytest.raises(LabelError, match=r"labels go from 0 to 2, given 0.0 to 3.0"):
        gluon.loss.SoftmaxCrossEntropyLoss()(nd.ones((2, 3)), nd.array([0, 3]))
    with pytest.raises(ShapeError, match="expected labels of shape"):
        gluon.loss.SoftmaxCrossEntropyLoss()(nd.ones((4, 3)), nd.ones((5,)))
    with pytest.raises(ShapeError, match="expected an NDArray, given ndarray"):
        network()(X)


def test_cpus_of_all_numbers_are_one_device() -> None:
    devices = [nnc.cpu(0), nnc.cpu(1)]
    net = nn.Dense(2, in_units=3)
    net.initialize(ctx=devices)
    assert net.weight.list_ctx() == [nnc.cpu()]
    assert [part.shape for part in gluon.split_and_load(X, devices)] == [X.shape]


def test_programs_of_dead_networks_are_forgotten() -> None:
    from nnc.compilation import execution

    net = network()
    forward(net).backward()
    trained(net).step(8)
    bindings = list(execution.bindings())
    assert any(bindings)
    del net
    gc.collect()
    assert sum(map(len, execution.bindings())) < sum(map(len, bindings)) or not any(bindings)


def test_user_blocks_in_both_styles() -> None:
    class New(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            self.scale = gluon.Parameter("scale", shape=(5,), init="ones")

        def forward(self, x: NDArray) -> NDArray:
            return x * self.scale.data()

    class Old(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            with self.name_scope():
                self.scale = gluon.Parameter("scale", shape=(5,), init="ones")

        def hybrid_forward(self, space: Any, x: NDArray, scale: NDArray) -> NDArray:
            return space.relu(x * scale)

    for block in (New(), Old()):
        block.initialize()
        block.hybridize()
        with autograd.record():
            y = block(nd.array(np.abs(X)))
        y.backward()
        np.testing.assert_allclose(y.asnumpy(), np.abs(X))
        np.testing.assert_allclose(block.scale.grad().asnumpy(), np.abs(X).sum(0), rtol=1e-5)
