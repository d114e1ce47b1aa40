"""nnc: `nnc` is `compile_step` and `compile`; `nnc-loop` is the plain Gluon program.

`nnc-avx2` and `nnc-c99` are `nnc` for that target.
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
    from models import FUNCTIONS

    import nnc

    kind = workload.name.split("_")[0]
    examples = [native(array) for array in workload.inputs()]
    function = FUNCTIONS.get(kind) or network(workload, kind)
    if workload.kind == "train":
        compute = training(workload, function, variant)
    elif variant == "nnc-loop":
        compute = waiting(function)
    else:
        compute = nnc.compile(function, *examples)

    def to_numpy(output: Any) -> Array:
        values = output.asnumpy()
        if workload.kind == "train":
            return values.mean(keepdims=True)
        return values.reshape(-1, values.shape[-1])  # peers join samples and positions

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


def network(workload: Workload, kind: str) -> Any:
    """The workload as a Gluon net with the workload's parameters."""
    from models import NETWORKS

    import nnc

    net = NETWORKS[kind](workload)
    net.initialize()
    net(native(workload.inputs()[0]))  # deferred shapes
    net.hybridize()
    values = workload.params()
    if "w" in values:
        values["w"] = np.ascontiguousarray(values["w"].T)  # Dense keeps (out, in)
    parameters = net.collect_params("^(?!.*h2h_bias)").values()
    for parameter, value in zip(parameters, values.values(), strict=True):
        parameter.set_data(nnc.nd.array(value))
    return net


def training(workload: Any, net: Any, variant: str) -> Callable[..., Any]:
    import nnc
    from nnc import autograd, gluon

    # A step divides by the length of the first axis, which is not always the batch.
    options = {
        "learning_rate": workload.lr,
        "rescale_grad": len(workload.inputs()[0]) / workload.b,
    }
    if workload.opt == "sgd":
        options["momentum"] = 0.9
    update = gluon.Trainer(net.collect_params(), workload.opt, options)
    cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()

    def loss_of(logits: Any, labels: Any) -> Any:
        return cross_entropy(logits, labels.reshape(logits.shape[:-1]))

    def loop(x: Any, labels: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), labels)
        loss.backward()
        update.step(x.shape[0])
        return loss

    return loop if variant == "nnc-loop" else nnc.compile_step(net, loss_of, update)
