"""MXNet 1.9.1 with Gluon: a hybridized, static HybridBlock, autograd and Trainer."""

import math
from typing import Any

import mxnet
import numpy as np
from mxnet import autograd, gluon
from step import Setup, Step, ready
from workload import Array, Workload, is_state


class Ops:
    """The op set over symbols, which do not know their shapes: `shapes` has the weights'."""

    def __init__(
        self, functions: Any, workload: Workload, shapes: dict[int, Any], mask: Any
    ) -> None:
        self.F = functions
        self.workload = workload
        self.shapes = shapes
        self.mask = mask
        self.head_size = getattr(workload, "D", 0) // getattr(workload, "H", 1)

    def shape(self, weight: Any) -> tuple[int, ...]:
        return self.shapes[id(weight)]

    def matmul(self, a: Any, b: Any) -> Any:
        return self.F.dot(a, b)

    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return self.F.FullyConnected(x, w, b, num_hidden=self.shape(w)[0], flatten=False)

    def relu(self, x: Any) -> Any:
        return self.F.relu(x)

    def relu6(self, x: Any) -> Any:
        return self.F.clip(x, 0, 6)

    def add(self, a: Any, b: Any) -> Any:
        return self.F.broadcast_add(a, b)

    def mul(self, a: Any, b: Any) -> Any:
        return self.F.broadcast_mul(a, b)

    def gelu(self, x: Any) -> Any:
        return self.F.LeakyReLU(x, act_type="gelu")

    def softmax(self, x: Any) -> Any:
        return self.F.softmax(x, axis=-1)

    def xent(self, x: Any, labels: Any) -> Any:
        return self.F.mean(-self.F.pick(self.F.log_softmax(x, axis=-1), labels, axis=-1))

    def image(self, x: Any) -> Any:
        return x

    def flatten(self, x: Any) -> Any:
        return self.F.Flatten(x)

    def gap(self, x: Any) -> Any:
        pooled = self.F.Pooling(x, global_pool=True, pool_type="avg", kernel=(1, 1))
        return self.F.Flatten(pooled)

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return self.F.reshape(x, shape=shape)

    def embed(self, w: Any, tokens: Any) -> Any:
        rows, columns = self.shape(w)
        return self.F.Embedding(tokens, w, input_dim=rows, output_dim=columns)

    def bcast0(self, x: Any) -> Any:
        return self.F.expand_dims(x, 0)

    def conv(
        self, x: Any, w: Any, b: Any = None, stride: int = 1, pad: int = 0, groups: int = 1
    ) -> Any:
        out, _, *kernel = self.shape(w)
        return self.F.Convolution(
            *((x, w) if b is None else (x, w, b)),
            kernel=tuple(kernel),
            num_filter=out,
            stride=(stride, stride),
            pad=(pad, pad),
            num_group=groups,
            no_bias=b is None,
        )

    def maxpool(self, x: Any, kernel: int, stride: int, pad: int) -> Any:
        return self.F.Pooling(
            x, kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad), pool_type="max"
        )

    def bn(self, x: Any, p: dict[str, Any], name: str, train: bool) -> Any:
        values = (p[name + suffix] for suffix in (".g", ".b", ".rm", ".rv"))
        return self.F.BatchNorm(x, *values, fix_gamma=False, eps=1e-5, momentum=0.9)

    def layernorm(self, x: Any, gain: Any, bias: Any) -> Any:
        return self.F.LayerNorm(x, gain, bias, axis=-1, eps=1e-5)

    def heads(self, x: Any, b: int, s: int, h: int) -> Any:
        split = self.F.transpose(self.F.reshape(x, shape=(b, s, h, -1)), axes=(0, 2, 1, 3))
        return self.F.reshape(split, shape=(b * h, s, -1))

    def unheads(self, x: Any, b: int, s: int, d: int) -> Any:
        split = self.F.reshape(x, shape=(b, -1, s, self.head_size))
        return self.F.reshape(self.F.transpose(split, axes=(0, 2, 1, 3)), shape=(b * s, d))

    def attention(self, q: Any, k: Any, v: Any, causal: bool) -> Any:
        scores = self.F.batch_dot(q, k, transpose_b=True) * (1 / math.sqrt(self.head_size))
        if causal:
            scores = self.F.broadcast_add(scores, self.mask)
        return self.F.batch_dot(self.F.softmax(scores, axis=-1), v)

    def lstm_last(self, x: Any, w_input: Any, w_hidden: Any, bias: Any) -> Any:
        functions, hidden = self.F, self.shape(w_hidden)[1]
        weights = [functions.reshape(w, shape=(-1,)) for w in (w_input, w_hidden)]
        packed = functions.concat(*weights, bias, functions.zeros_like(bias), dim=0)
        zero = functions.zeros((1, self.workload.b, hidden))
        out = functions.RNN(x, packed, zero, zero, mode="lstm", state_size=hidden, num_layers=1)
        last = functions.slice_axis(out, axis=0, begin=-1, end=None)
        return functions.reshape(last, shape=(self.workload.b, hidden))


class Net(gluon.HybridBlock):
    """A workload as a block."""

    def __init__(self, workload: Workload) -> None:
        super().__init__(prefix="")
        self.workload = workload
        self.names: dict[str, str] = {}
        with self.name_scope():
            for name, value in workload.params().items():
                attribute = "p_" + name.replace(".", "_")
                parameter = self.params.get(
                    attribute,
                    shape=value.shape,
                    grad_req="null" if is_state(name) else "write",
                    differentiable=not is_state(name),
                )
                setattr(self, attribute, parameter)
                self.names[attribute] = name
            if hasattr(workload, "V"):
                size = workload.S
                later = np.triu(np.full((1, size, size), -1e30, np.float32), 1)
                self.mask = self.params.get_constant("mask", later)

    def hybrid_forward(self, functions: Any, *inputs: Any, **values: Any) -> Any:
        mask = values.pop("mask", None)
        params = {self.names[attribute]: value for attribute, value in values.items()}
        known = self.workload.params()
        shapes = {id(value): known[name].shape for name, value in params.items()}
        return self.workload.forward(Ops(functions, self.workload, shapes, mask), params, *inputs)


def setup(workload: Workload, threads: int, variant: str) -> Setup:
    net = Net(workload)
    net.initialize(mxnet.init.Zero())
    net.hybridize(static_alloc=True, static_shape=True)
    for attribute, name in net.names.items():
        getattr(net, attribute).set_data(mxnet.nd.array(workload.params()[name]))

    def infer(*inputs: Any) -> Any:
        output = net(*inputs)
        output.wait_to_read()
        mxnet.nd.waitall()
        return output

    def convert(array: Array) -> Any:
        return mxnet.nd.array(array, dtype="float32")

    compute = infer if workload.kind == "infer" else _train(net)
    return ready(Step(compute, convert, lambda output: output.asnumpy()), workload.inputs())


def _train(net: Net) -> Any:
    options = {"learning_rate": net.workload.lr}
    if net.workload.opt == "sgd":
        options["momentum"] = 0.9
    trainer = gluon.Trainer(net.collect_params(), net.workload.opt, options, kvstore=None)

    def train(*inputs: Any) -> Any:
        with autograd.record():
            loss = net(*inputs)
        loss.backward()
        trainer.step(1)
        mxnet.nd.waitall()
        return loss

    return train
