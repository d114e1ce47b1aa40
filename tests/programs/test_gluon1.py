"""Programs as they were written for Gluon 1.x: one import is another, the rest is theirs."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnc as mx
from nnc import autograd, gluon, nd
from nnc.gluon import nn, rnn

CTX = mx.cpu()
layers: Any = nn
"""Type checkers do not know that layers take `prefix` and `params`."""


def blobs(count: int, classes: int, size: int) -> tuple[Any, Any]:
    """Images with a bright square in one of several places, and which place it is."""
    random = np.random.RandomState(0)
    labels = random.randint(0, classes, count)
    images = random.normal(0, 0.3, (count, 1, size, size)).astype("float32")
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[0, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3] += 1
    return images, labels.astype("float32")


class LeNet(nn.HybridBlock):
    """Layers and parameters in a name scope, `hybrid_forward` over F."""

    def __init__(self, classes: int, **kwargs: Any):
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = layers.HybridSequential(prefix="features_")
            with self.features.name_scope():
                self.features.add(nn.Conv2D(channels=8, kernel_size=3, activation="relu"))
                self.features.add(nn.MaxPool2D(pool_size=2, strides=2))
            self.hidden = layers.Dense(16, prefix="hidden_")
            self.scale = self.params.get("scale", shape=(1, 16), init=mx.init.One())
            self.weight = self.params.get("weight", shape=(classes, 16), init=mx.init.Xavier())
            self.bias = self.params.get("bias", shape=(classes,), init="zeros")
            self.classes = classes

    def hybrid_forward(self, F: Any, x: Any, scale: Any, weight: Any, bias: Any) -> Any:
        x = self.features(x)
        x = F.Activation(self.hidden(F.flatten(x)), act_type="tanh")
        x = F.broadcast_mul(x, scale)
        return F.FullyConnected(x, weight, bias, num_hidden=self.classes)


def test_a_hybrid_network_with_name_scopes() -> None:
    mx.random.seed(1)
    images, labels = blobs(256, 4, 8)
    data = gluon.data.DataLoader(gluon.data.ArrayDataset(images, labels), 32, shuffle=True)
    net = LeNet(4, prefix="lenet_")
    net.collect_params().initialize(mx.init.Xavier(), ctx=CTX)
    net.hybridize()
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.2, "momentum": 0.9})
    metric = mx.metric.Accuracy()
    for _ in range(4):
        metric.reset()
        for batch, label in data:
            x, y = batch.as_in_context(CTX), label.as_in_context(CTX)
            with autograd.record():
                output = net(x)
                loss = loss_of(output, y)
            loss.backward()
            trainer.step(x.shape[0])
            metric.update([y], [output])
    name, accuracy = metric.get()
    assert name == "accuracy"
    assert accuracy > 0.9
    assert set(net.collect_params(".*weight")) == {
        "weight", "features.0.weight", "hidden.weight"
    }  # fmt: skip


class QuantileLoss(gluon.loss.Loss):
    """The mean of `max(q e, (q - 1) e)` with `e = label - prediction`."""

    def __init__(self, quantile: float, weight: Any = None, batch_axis: int = 0, **kwargs: Any):
        super().__init__(weight, batch_axis, **kwargs)
        self.quantile = quantile

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        error = F.reshape_like(label, pred, name="label") - pred
        loss = F.maximum(self.quantile * error, (self.quantile - 1) * error)
        weighting: Any = gluon.loss
        loss = weighting._apply_weighting(F, loss, self._weight, sample_weight)
        return F.mean(loss, axis=self._batch_axis, exclude=True, name="quantile")


def test_a_loss_of_ones_own() -> None:
    """The constant that minimizes it is the quantile."""
    random = np.random.RandomState(2)
    values = random.uniform(0, 1, (400, 1)).astype("float32")
    level = gluon.Parameter("level", shape=(1,), init="zeros")
    level.initialize(ctx=CTX)
    trainer = gluon.Trainer([level], "adam", {"learning_rate": 0.02})
    loss_of, loss = QuantileLoss(0.8), nd.zeros((1,))
    for _ in range(200):
        with autograd.record():
            loss = loss_of(nd.broadcast_to(level.data(), (400, 1)), nd.array(values))
        loss.backward()
        trainer.step(400)
    assert loss.shape == (400,)
    assert abs(level.data().asscalar() - np.quantile(values, 0.8)) < 0.02
    weighted = loss_of(nd.zeros((2, 1)), nd.ones((2, 1)), nd.array([[1.0], [10.0]]))
    np.testing.assert_allclose(weighted.asnumpy(), [0.8, 8.0], rtol=1e-6)


class Binarize(autograd.Function):
    """Signs forward, the identity within [-1, 1] backward."""

    def forward(self, x: Any) -> Any:
        self.save_for_backward(x)
        return nd.sign(x)

    def backward(self, dy: Any) -> Any:
        (x,) = self.saved_tensors
        return dy * (nd.abs(x) <= 1)


class BinaryDense(gluon.Block):
    """A dense layer whose weights are signs when they are used."""

    def __init__(self, units: int, in_units: int, **kwargs: Any):
        super().__init__(**kwargs)
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(units, in_units))

    def forward(self, x: Any) -> Any:
        return nd.dot(x, Binarize()(self.weight.data(x.context)).T)


def test_a_function_of_ones_own_in_a_layer() -> None:
    """The signs of a linear map are found again."""
    mx.random.seed(3)
    random = np.random.RandomState(3)
    signs = np.sign(random.normal(size=(2, 6))).astype("float32")
    x = random.normal(size=(64, 6)).astype("float32")
    layer = BinaryDense(2, 6, prefix="binary_")
    layer.initialize(mx.init.Uniform(0.5), ctx=CTX)
    trainer = gluon.Trainer(layer.collect_params(), "sgd", {"learning_rate": 0.1})
    loss_of, loss = gluon.loss.L2Loss(), nd.zeros((1,))
    for _ in range(30):
        with autograd.record():
            loss = loss_of(layer(nd.array(x)), nd.array(x @ signs.T))
        loss.backward()
        trainer.step(64)
    np.testing.assert_array_equal(np.sign(layer.weight.data().asnumpy()), signs)
    assert nd.mean(loss).asscalar() == pytest.approx(0, abs=1e-6)


class TwoHeads(gluon.HybridBlock):
    """A class and a position from one body."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        with self.name_scope():
            self.body = nn.Dense(16, activation="relu")
            self.classes = nn.Dense(2)
            self.place = nn.Dense(1)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        x = self.body(x)
        return self.classes(x), F.tanh(self.place(x))


def test_a_network_with_two_outputs(tmp_path: Path) -> None:
    mx.random.seed(4)
    random = np.random.RandomState(4)
    x = random.normal(size=(128, 5)).astype("float32")
    which, where = (x[:, 0] > 0).astype("float32"), np.tanh(x[:, 1:2])
    net = TwoHeads()
    net.initialize(mx.init.Xavier(magnitude=2.24), ctx=CTX)
    net.hybridize()
    losses = gluon.loss.SoftmaxCrossEntropyLoss(), gluon.loss.L2Loss(weight=2.0)
    schedule = mx.lr_scheduler.FactorScheduler(step=30, factor=0.5)
    options = {"learning_rate": 0.02, "wd": 1e-5, "lr_scheduler": schedule}
    trainer = gluon.Trainer(net.collect_params(), "adam", options)
    history: list[float] = []
    for _ in range(60):
        with autograd.record():
            classes, place = net(nd.array(x))
            parts = [losses[0](classes, nd.array(which)), losses[1](place, nd.array(where))]
        autograd.backward(parts)
        trainer.step(128)
        history.append(sum(float(part.mean().asscalar()) for part in parts))
    assert history[-1] < 0.3 * history[0]
    accuracy = (net(nd.array(x))[0].argmax(axis=1) == nd.array(which)).mean().asscalar()
    assert accuracy > 0.9
    net.save_parameters(str(tmp_path / "net.params"))
    again = TwoHeads(prefix="again_")
    again.load_parameters(str(tmp_path / "net.params"), ctx=CTX)
    for one, other in zip(net(nd.array(x)), again(nd.array(x)), strict=True):
        np.testing.assert_array_equal(one.asnumpy(), other.asnumpy())


TEXT = "to be or not to be that is the question " * 4


class Characters(gluon.HybridBlock):
    """A language model whose decoder has the weights of its encoder."""

    def __init__(self, letters: int, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        with self.name_scope():
            self.encoder = nn.Embedding(letters, units)
            self.rnn = rnn.GRU(units, input_size=units)
            self.decoder = layers.Dense(
                letters, in_units=units, flatten=False, params=self.encoder.params
            )

    def hybrid_forward(self, F: Any, x: Any, state: Any) -> Any:
        output, state = self.rnn(self.encoder(x), state)
        return self.decoder(output), state

    def begin_state(self, *args: Any, **kwargs: Any) -> Any:
        return self.rnn.begin_state(*args, **kwargs)


def test_a_language_model_that_shares_weights() -> None:
    mx.random.seed(5)
    letters = sorted(set(TEXT))
    codes = np.array([letters.index(letter) for letter in TEXT], "int32")
    x, y = codes[:-1].reshape(-1, 3, order="F"), codes[1:].reshape(-1, 3, order="F")
    net = Characters(len(letters), 24)
    net.initialize(mx.init.Xavier(), ctx=CTX)
    assert net.decoder.weight is net.encoder.weight
    names = list(net.collect_params())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    steps: list[float] = []
    for _ in range(12):
        state = net.begin_state(func=nd.zeros, batch_size=3, ctx=CTX)
        total = 0.0
        for start in range(0, len(x) - len(x) % 13, 13):
            state = [s.detach() for s in state]
            with autograd.record():
                output, state = net(nd.array(x[start : start + 13]), state)
                loss = loss_of(
                    output.reshape((-1, len(letters))), nd.array(y[start : start + 13].reshape(-1))
                )
            loss.backward()
            grads = [p.grad(CTX) for p in net.collect_params().values()]
            gluon.utils.clip_global_norm(grads, 5.0 * loss.size)
            trainer.step(loss.size)
            total += loss.mean().asscalar()
        steps.append(total)
    assert steps[-1] < 0.4 * steps[0]
    assert names.count("decoder.weight") == 1
