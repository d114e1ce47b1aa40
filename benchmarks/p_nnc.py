"""nnc: `nnc` is `compile_step` and `compile`; `nnc-loop` is the plain Gluon program.

MLP, LeNet and products. `nnc-avx2` and `nnc-c99` are `nnc` for that target.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from step import Setup, Step, ready
from workload import Array, Workload


def setup(workload: Workload, threads: int, variant: str) -> Setup:
    os.environ["NNC_THREADS"] = str(threads)
    if variant in ("nnc-avx2", "nnc-c99"):
        os.environ["NNC_TARGET"] = variant.removeprefix("nnc-")
    import nnc

    examples = [native(array) for array in workload.inputs()]
    function = nnc.nd.dot if workload.name.startswith("gemm_") else network(workload)
    if workload.kind == "train":
        compute = training(workload, function, variant)
    elif variant == "nnc-loop":
        compute = waiting(function)
    else:
        compute = nnc.compile(function, *examples)

    def to_numpy(output: Any) -> Array:
        values = output.asnumpy()
        return values if workload.kind == "infer" else values.mean(keepdims=True)

    return ready(Step(compute, native, to_numpy), workload.inputs())


def native(array: Array) -> Any:
    """An input; labels are int32."""
    import nnc

    return nnc.nd.array(array.astype(np.int32) if array.dtype.kind == "i" else array)


def waiting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Calls the function and waits for what it records."""

    def call(*inputs: Any) -> Any:
        output = function(*inputs)
        output.wait_to_read()
        return output

    return call


def network(workload: Workload) -> Any:
    """The workload as a Gluon net with the workload's parameters."""
    from nnc.gluon import nn

    net = nn.HybridSequential()
    kind = workload.name.split("_")[0]
    if kind == "mlp":
        net.add(nn.Dense(512, "relu"), nn.Dense(256, "relu"), nn.Dense(10))
    elif kind == "lenet":
        net.add(
            nn.Conv2D(20, 5, activation="relu"),
            nn.MaxPool2D(2, 2),
            nn.Conv2D(50, 5, activation="relu"),
            nn.MaxPool2D(2, 2),
            nn.Dense(500, "relu"),
            nn.Dense(10),
        )
    elif kind == "gemmw":
        net.add(nn.Dense(workload.params()["w"].shape[1], use_bias=False))
    else:
        raise NotImplementedError("nnc: MLP, LeNet and products only")
    return with_parameters(net, workload)


def with_parameters(net: Any, workload: Workload) -> Any:
    import nnc

    net.initialize()
    net(nnc.nd.array(workload.inputs()[0]))  # deferred shapes
    net.hybridize()
    values = workload.params()
    if "w" in values:
        values["w"] = np.ascontiguousarray(values["w"].T)  # Dense keeps (out, in)
    parameters = net.collect_params().values()
    for parameter, value in zip(parameters, values.values(), strict=True):
        parameter.set_data(nnc.nd.array(value))
    return net


def training(workload: Workload, net: Any, variant: str) -> Callable[..., Any]:
    import nnc
    from nnc import autograd, gluon

    assert workload.opt is not None
    options = {"learning_rate": workload.lr}
    if workload.opt == "sgd":
        options["momentum"] = 0.9
    update = gluon.Trainer(net.collect_params(), workload.opt, options)
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    def loop(x: Any, labels: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), labels)
        loss.backward()
        update.step(x.shape[0])
        return loss

    return loop if variant == "nnc-loop" else nnc.compile_step(net, loss_of, update)
