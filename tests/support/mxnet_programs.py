"""Small trainings that MXNet 1.9.1 and nnc run from the same text; `mx` is either of them.

Each row has a network, a loss, an optimizer, and perhaps a schedule and a metric. Weights and data
are drawn by numpy. tests/mxnet/README.md says how MXNet's numbers were recorded.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

Draws = np.random.RandomState
Arrays = list[Any]
STEPS, BATCH = 4, 6


class Program(NamedTuple):
    """A training of a few steps."""

    name: str
    layers: Callable[[Any], Sequence[Any]]
    """Takes `mx.gluon`."""
    shape: tuple[int, ...]
    """Of an input without the batch's axis."""
    loss: Callable[[Any], Any]
    """Takes `mx.gluon.loss`."""
    targets: Callable[[Draws], Arrays]
    """What the loss takes after the prediction."""
    optimizer: str
    options: dict[str, Any]
    schedule: Callable[[Any], Any] | None = None
    """Takes `mx.lr_scheduler`."""
    metric: Callable[[Any], Any] | None = None
    """Takes `mx.metric`; it sees the probabilities of classes, or the numbers predicted."""
    adapt: Callable[[Any], None] | None = None
    """Changes parameters, given by name, before the trainer is made."""
    between: Callable[[Any, dict[str, Any]], None] | None = None
    """Changes gradients between backward and step; it takes `mx` and the parameters."""
    tokens: int = 0
    """Inputs are numbers below this, if it is not 0."""
    differs: str = ""
    """Why nnc means to have other numbers."""


def real(*shape: int) -> Callable[[Draws], Arrays]:
    return lambda draws: [draws.normal(size=(BATCH, *shape))]


def classes(count: int, *shape: int) -> Callable[[Draws], Arrays]:
    return lambda draws: [draws.randint(0, count, (BATCH, *shape))]


def signs(*shape: int) -> Callable[[Draws], Arrays]:
    return lambda draws: [draws.randint(0, 2, (BATCH, *shape)) * 2 - 1]


def shares(*shape: int) -> Callable[[Draws], Arrays]:
    """Numbers above 0 whose sum along the last axis is 1."""

    def drawn(draws: Draws) -> Arrays:
        weights = draws.uniform(0.1, 1, (BATCH, *shape))
        return [weights / weights.sum(-1, keepdims=True)]

    return drawn


def others(*shape: int) -> Callable[[Draws], Arrays]:
    """Two more predictions."""
    return lambda draws: [draws.normal(size=(BATCH, *shape)) for _ in range(2)]


def mlp(activation: str = "tanh", outputs: int = 3) -> Callable[[Any], Sequence[Any]]:
    return lambda gluon: (
        gluon.nn.Dense(8, activation=activation),
        gluon.nn.Dense(outputs),
    )


def after(*layers: Callable[[Any], Any], outputs: int = 3) -> Callable[[Any], Sequence[Any]]:
    """Layers of `gluon.nn`, and one that is dense."""
    return lambda gluon: (*[layer(gluon.nn) for layer in layers], gluon.nn.Dense(outputs))


def sequence(layer: Callable[[Any], Any]) -> Callable[[Any], Sequence[Any]]:
    """A layer of `gluon.rnn`, and the same dense layer for each of its outputs."""
    return lambda gluon: (layer(gluon.rnn), gluon.nn.Dense(2, flatten=False))


def unrolled(cell: Callable[[Any], Any]) -> Callable[[Any], Sequence[Any]]:
    """A cell over inputs (N, length, channels)."""

    def layers(gluon: Any) -> Sequence[Any]:
        class Unrolled(gluon.Block):
            def __init__(self) -> None:
                super().__init__()
                self.cell = cell(gluon.rnn)

            def forward(self, x: Any) -> Any:
                outputs, _ = self.cell.unroll(x.shape[1], x, layout="NTC", merge_outputs=True)
                return outputs

        return Unrolled(), gluon.nn.Dense(2, flatten=False)

    return layers


def residual(gluon: Any) -> Sequence[Any]:
    """A block as Gluon 1.x's users write them: `F`, and a parameter of its own."""

    class Residual(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            with self.name_scope():
                self.body = gluon.nn.Dense(5)
                self.scale = self.params.get("scale", shape=(1, 5))

        def hybrid_forward(self, F: Any, x: Any, scale: Any) -> Any:
            y = F.softmax(self.body(x), axis=1) - F.mean(x, axis=1, keepdims=True)
            return F.concat(F.broadcast_mul(F.relu(y + x), scale), F.clip(x, -1, 1), dim=1)

    return Residual(), gluon.nn.Dense(3)


def added(parameters: dict[str, Any]) -> None:
    """Gradients are sums over all steps."""
    for parameter in parameters.values():
        parameter.grad_req = "add"


def clipped(mx: Any, parameters: dict[str, Any]) -> None:
    gradients = [p.grad() for p in parameters.values() if p.grad_req != "null"]
    mx.gluon.utils.clip_global_norm(gradients, 0.05)


def bump(F: Any, x: Any) -> Any:
    return F.exp(-F.square(x))


def softmax(loss: Any) -> Any:
    return loss.SoftmaxCrossEntropyLoss()


def squares(loss: Any) -> Any:
    return loss.L2Loss()


def per_step(gluon: Any) -> Sequence[Any]:
    return (gluon.nn.Dense(5, flatten=False),)


def aligned(loss: Any) -> Any:
    return loss.CTCLoss()


def phrases(draws: Draws) -> Arrays:
    """Of two tokens and padding."""
    return [np.where(np.arange(3) < 2, draws.randint(0, 4, (BATCH, 3)), -1)]


def slower_biases(parameters: dict[str, Any]) -> None:
    for name, parameter in parameters.items():
        if name.endswith("bias"):
            parameter.lr_mult, parameter.wd_mult = 0.5, 0.0


def frozen_bias(parameters: dict[str, Any]) -> None:
    parameters["0.bias"].grad_req = "null"


SGD: dict[str, Any] = {"learning_rate": 0.1}
IMAGE = (2, 6, 6)


def layer_rows() -> Iterator[Program]:
    """Layers; losses and optimizers are the plain ones."""
    two: dict[str, Callable[[Any], Sequence[Any]]] = {
        "conv": after(
            lambda nn: nn.Conv2D(4, 3, activation="relu"), lambda nn: nn.MaxPool2D(2)
        ),
        "conv-groups": after(
            lambda nn: nn.Conv2D(4, 3, strides=2, padding=2, dilation=2, groups=2),
            lambda nn: nn.AvgPool2D(2, strides=1, padding=1),
        ),
        "conv-transpose": after(
            lambda nn: nn.Conv2DTranspose(3, 3, strides=2, padding=1, output_padding=1),
            lambda nn: nn.AvgPool2D(3, strides=2, padding=1, count_include_pad=False),
        ),
        "global-pool": after(
            lambda nn: nn.ReflectionPad2D(1),
            lambda nn: nn.Conv2D(3, (3, 1)),
            lambda nn: nn.GlobalAvgPool2D(),
        ),
        "pool-ceil": after(lambda nn: nn.MaxPool2D(3, 2, ceil_mode=True), lambda nn: nn.Flatten()),
        "instance-norm": after(
            lambda nn: nn.Conv2D(4, 3), lambda nn: nn.InstanceNorm(scale=True)
        ),
        "group-norm": after(lambda nn: nn.Conv2D(4, 3), lambda nn: nn.GroupNorm(2)),
        "global-max": after(lambda nn: nn.Conv2D(4, 3), lambda nn: nn.GlobalMaxPool2D()),
    }  # fmt: skip
    differs = {"group-norm": "a scale for each channel, as in MXNet 2 and PyTorch, not each group"}
    for name, layers in two.items():
        yield Program(
            name, layers, IMAGE, softmax, classes(3), "sgd", SGD, differs=differs.get(name, "")
        )
    one = after(lambda nn: nn.Conv1D(4, 3, padding=1), lambda nn: nn.AvgPool1D(2))
    three = after(lambda nn: nn.Conv3D(3, 2), lambda nn: nn.GlobalAvgPool3D())
    yield Program("conv1d", one, (2, 8), softmax, classes(3), "sgd", SGD)
    yield Program("conv3d", three, (2, 4, 4, 4), softmax, classes(3), "sgd", SGD)


def flat_rows() -> Iterator[Program]:
    """Layers of vectors."""
    rows: dict[str, Callable[[Any], Sequence[Any]]] = {
        "batch-norm": after(lambda nn: nn.Dense(7), lambda nn: nn.BatchNorm()),
        "batch-norm-fixed": after(
            lambda nn: nn.Dense(7), lambda nn: nn.BatchNorm(scale=False, momentum=0.5, epsilon=1e-3)
        ),
        "global-statistics": after(
            lambda nn: nn.Dense(7), lambda nn: nn.BatchNorm(use_global_stats=True)
        ),
        "batch-norm-last": after(
            lambda nn: nn.Dense(7), lambda nn: nn.BatchNorm(axis=-1, center=False)
        ),
        "layer-norm": after(lambda nn: nn.Dense(7), lambda nn: nn.LayerNorm()),
        "prelu": after(lambda nn: nn.Dense(7), lambda nn: nn.PReLU(), lambda nn: nn.LeakyReLU(0.1)),
        "elu": after(lambda nn: nn.Dense(7), lambda nn: nn.ELU(1.5)),
        "selu": after(lambda nn: nn.Dense(7), lambda nn: nn.SELU()),
        "gelu": after(lambda nn: nn.Dense(7), lambda nn: nn.GELU(), lambda nn: nn.Swish(1.5)),
        "lambda": after(
            lambda nn: nn.Dense(7, use_bias=False),
            lambda nn: nn.HybridLambda(bump),
            lambda nn: nn.Dropout(0),
        ),
        "residual": residual,
        **{name: mlp(name) for name in ("relu", "sigmoid", "softrelu", "softsign")},
    }
    differs = {"selu": "MXNet's gradient below 0 is not that of its values"}
    for name, layers in rows.items():
        yield Program(
            name, layers, (5,), softmax, classes(3), "sgd", SGD, differs=differs.get(name, "")
        )


def sequence_rows() -> Iterator[Program]:
    """Recurrent layers, cells, and embedding."""
    rows: dict[str, Callable[[Any], Sequence[Any]]] = {
        "lstm": sequence(lambda rnn: rnn.LSTM(3, 2, layout="NTC", bidirectional=True)),
        "gru": sequence(lambda rnn: rnn.GRU(3, 2, layout="NTC")),
        "rnn": sequence(lambda rnn: rnn.RNN(3, activation="tanh", layout="NTC")),
        "lstm-cell": unrolled(lambda rnn: rnn.LSTMCell(3)),
        "gru-cell": unrolled(lambda rnn: rnn.GRUCell(3)),
        "rnn-cell": unrolled(lambda rnn: rnn.RNNCell(3, activation="relu")),
    }
    for name, layers in rows.items():
        yield Program(name, layers, (4, 3), squares, real(4, 2), "sgd", SGD)
    embedding = after(lambda nn: nn.Embedding(11, 4))
    yield Program("embedding", embedding, (5,), softmax, classes(3), "sgd", SGD, tokens=11)


def loss_rows() -> Iterator[Program]:
    """Losses, behind one network."""
    rows: dict[str, tuple[Callable[[Any], Any], Callable[[Draws], Arrays]]] = {
        "l2": (lambda loss: loss.L2Loss(weight=0.5), real(3)),
        "l1": (lambda loss: loss.L1Loss(), real(3)),
        "softmax-dense": (lambda loss: loss.SoftmaxCELoss(sparse_label=False), shares(3)),
        "softmax-weighted": (
            lambda loss: loss.SoftmaxCELoss(weight=2.0),
            lambda draws: [draws.randint(0, 3, BATCH), draws.uniform(0, 1, (BATCH, 1))],
        ),
        "binary": (
            lambda loss: loss.SigmoidBCELoss(),
            lambda draws: [draws.randint(0, 2, (BATCH, 3))],
        ),
        "binary-weighted": (
            lambda loss: loss.SigmoidBCELoss(),
            lambda draws: [
                draws.randint(0, 2, (BATCH, 3)),
                np.ones((BATCH, 1)),
                draws.uniform(0.5, 2, (BATCH, 3)),
            ],
        ),
        "kl-divergence": (lambda loss: loss.KLDivLoss(from_logits=False), shares(3)),
        "huber": (lambda loss: loss.HuberLoss(rho=0.7), real(3)),
        "hinge": (lambda loss: loss.HingeLoss(), signs(3)),
        "squared-hinge": (lambda loss: loss.SquaredHingeLoss(margin=2), signs(3)),
        "logistic": (lambda loss: loss.LogisticLoss(), signs(3)),
        "triplet": (lambda loss: loss.TripletLoss(margin=3), others(3)),
        "poisson": (
            lambda loss: loss.PoissonNLLLoss(),
            lambda draws: [draws.poisson(2, (BATCH, 3))],
        ),
        "cosine": (
            lambda loss: loss.CosineEmbeddingLoss(margin=0.1),
            lambda draws: [draws.normal(size=(BATCH, 3)), draws.randint(0, 2, BATCH) * 2 - 1],
        ),
        "sdml": (lambda loss: loss.SDMLLoss(), real(3)),
    }
    differs = {"kl-divergence": "the mean of a sample's elements, as in MXNet 2; 1.9 has the sum"}
    for name, (loss, targets) in rows.items():
        yield Program(name, mlp(), (5,), loss, targets, "sgd", SGD, differs=differs.get(name, ""))
    yield Program("ctc", per_step, (7, 4), aligned, phrases, "sgd", SGD)


def optimizer_rows() -> Iterator[Program]:
    """Optimizers, with what they take."""
    rows: list[tuple[str, str, dict[str, Any], str]] = [
        ("momentum", "sgd", {**SGD, "momentum": 0.9, "wd": 0.01, "clip_gradient": 0.02}, ""),
        ("nag", "nag", {**SGD, "momentum": 0.9}, ""),
        ("adam", "adam", {"learning_rate": 0.01}, ""),
        ("adam-wd", "adam", {"wd": 0.01, "beta1": 0.8, "epsilon": 1e-10}, ""),
        ("rmsprop", "rmsprop", {}, "epsilon stands outside of the root, as in MXNet 2 and PyTorch"),
        ("rmsprop-centered", "rmsprop", {"centered": True}, ""),
        ("adagrad", "adagrad", {}, "epsilon stands outside of the root, as in MXNet 2"),
        ("adadelta", "adadelta", {"learning_rate": 1.0, "epsilon": 1e-5}, ""),
        ("adamax", "adamax", {}, ""),
        ("nadam", "nadam", {}, "the product of momenta grows once a step, not for each parameter"),
        ("signum", "signum", {"wd_lh": 0.01}, ""),
        ("ftrl", "ftrl", {"wd": 0.01}, ""),
        ("ftml", "ftml", {"learning_rate": 0.0025}, ""),
        ("lamb", "lamb", {"wd": 0.01}, ""),
        ("lars", "lars", {**SGD, "momentum": 0.9, "wd": 0.01}, ""),
    ]
    for name, optimizer, options, differs in rows:
        yield Program(name, mlp(), (5,), softmax, classes(3), optimizer, options, differs=differs)
    yield Program("clipped", mlp(), (5,), softmax, classes(3), "sgd", SGD, between=clipped)
    for adapt in (slower_biases, frozen_bias, added):
        options = {**SGD, "momentum": 0.5, "wd": 0.1}
        name = adapt.__name__.replace("_", "-")
        yield Program(name, mlp(), (5,), softmax, classes(3), "sgd", options, adapt=adapt)


def schedule_rows() -> Iterator[Program]:
    """Learning rates that change; the first steps see them all."""
    rows: dict[str, Callable[[Any], Any]] = {
        "factor": lambda rates: rates.FactorScheduler(2, 0.5, base_lr=0.2),
        "multi-factor": lambda rates: rates.MultiFactorScheduler([1, 3], 0.3, base_lr=0.2),
        "poly": lambda rates: rates.PolyScheduler(3, 0.2, final_lr=0.01),
        "cosine": lambda rates: rates.CosineScheduler(4, 0.2, final_lr=0.01),
        "warm-up": lambda rates: rates.CosineScheduler(4, 0.2, warmup_steps=2),
        "constant-warm-up": lambda rates: rates.FactorScheduler(
            1, 0.5, base_lr=0.2, warmup_steps=2, warmup_begin_lr=0.05, warmup_mode="constant"
        ),
    }
    for name, schedule in rows.items():
        yield Program(
            f"rate-{name}", mlp(), (5,), softmax, classes(3), "sgd", {}, schedule=schedule
        )


def metric_rows() -> Iterator[Program]:
    """Metrics of what the network gives on the way."""
    of_classes: dict[str, tuple[int, Callable[[Any], Any]]] = {
        "accuracy": (3, lambda metric: metric.Accuracy()),
        "top-k": (3, lambda metric: metric.TopKAccuracy(top_k=2)),
        "mcc": (2, lambda metric: metric.MCC()),
        "f1": (2, lambda metric: metric.F1()),
        "f1-micro": (2, lambda metric: metric.F1(average="micro")),
        "pcc": (3, lambda metric: metric.PCC()),
        "perplexity": (3, lambda metric: metric.Perplexity(ignore_label=None)),
        "cross-entropy": (3, lambda metric: metric.CrossEntropy()),
        "likelihood": (3, lambda metric: metric.NegativeLogLikelihood()),
    }
    of_numbers: dict[str, Callable[[Any], Any]] = {
        "mae": lambda metric: metric.MAE(),
        "mse": lambda metric: metric.MSE(),
        "rmse": lambda metric: metric.RMSE(),
        "correlation": lambda metric: metric.PearsonCorrelation(),
    }
    for name, (count, metric) in of_classes.items():
        layers, targets = mlp("tanh", count), classes(count)
        yield Program(f"metric-{name}", layers, (5,), softmax, targets, "sgd", SGD, metric=metric)
    for name, metric in of_numbers.items():
        yield Program(f"metric-{name}", mlp(), (5,), squares, real(3), "sgd", SGD, metric=metric)


PROGRAMS = [
    *layer_rows(), *flat_rows(), *sequence_rows(), *loss_rows(), *optimizer_rows(),
    *schedule_rows(), *metric_rows(),
]  # fmt: skip


def batch(mx: Any, draws: Draws, program: Program) -> Any:
    """The inputs of a step."""
    shape = (BATCH, *program.shape)
    if program.tokens:
        return mx.nd.array(draws.randint(0, program.tokens, shape), dtype="int32")
    return mx.nd.array(draws.normal(size=shape), dtype="float32")


def named_parameters(net: Any) -> dict[str, Any]:
    """Parameters by their places in the network; MXNet's collect_params has names of scopes."""
    collect = getattr(net, "_collect_params_with_prefix", net.collect_params)
    return {own_name(name): parameter for name, parameter in collect().items()}


def own_name(name: str) -> str:
    """A recurrent layer's parameter, which MXNet saves as `_unfused.0.l_cell.i2h_weight`."""
    name = re.sub(r"_unfused\.(\d)\.([lr])_cell\.", r"\2\1_", name)
    return re.sub(r"_unfused\.(\d)\.", r"l\1_", name)


def started(mx: Any, program: Program, draws: Draws) -> Any:
    """The network with weights that are drawn; statistics stay as they begin."""
    net = mx.gluon.nn.Sequential()
    net.add(*program.layers(mx.gluon))
    net.initialize()
    net(batch(mx, draws, program))
    parameters = named_parameters(net)
    for name in sorted(parameters):
        parameter = parameters[name]
        if parameter.grad_req != "null":
            size = 0.2 if name.endswith(("beta", "bias")) else 0.6
            parameter.set_data(mx.nd.array(draws.normal(0, size, parameter.shape)))
    if program.adapt is not None:
        program.adapt(parameters)
    return net


def run(mx: Any, program: Program) -> dict[str, Any]:
    """The losses and rates of each step, and the parameters, outputs and metric at the end."""
    draws = Draws(len(program.name))
    net, loss_of = started(mx, program, draws), program.loss(mx.gluon.loss)
    options = dict(program.options)
    if program.schedule is not None:
        options["lr_scheduler"] = program.schedule(mx.lr_scheduler)
    trainer = mx.gluon.Trainer(net.collect_params(), program.optimizer, options)
    metric = None if program.metric is None else program.metric(mx.metric)
    losses: Arrays = []
    rates: list[float] = []
    for _ in range(STEPS):
        x, drawn = batch(mx, draws, program), program.targets(draws)
        targets = [mx.nd.array(array, dtype="float32") for array in drawn]
        with mx.autograd.record():
            output = net(x)
            loss = loss_of(output, *targets)
        loss.backward()
        if program.between is not None:
            program.between(mx, named_parameters(net))
        rates.append(trainer.learning_rate)
        trainer.step(BATCH)
        losses.append(loss.asnumpy())
        if metric is not None:
            shown = mx.nd.softmax(output) if drawn[0].dtype.kind == "i" else output
            metric.update([targets[0]], [shown])
    found = {name: p.data().asnumpy() for name, p in named_parameters(net).items()}
    found["output"] = net(batch(mx, draws, program)).asnumpy()
    found["losses"], found["rates"] = (
        np.stack(losses).reshape(STEPS, -1),
        np.array(rates, np.float32),
    )
    if metric is not None:
        found["metric"] = np.array([metric.get()[1]], np.float32)
    return found
