"""tinygrad on its CPU device (clang), TinyJit."""

import math
from contextlib import nullcontext
from typing import Any

import numpy as np
from step import Setup, Step, ready
from tinygrad import Device, Tensor, TinyJit, nn
from workload import Array, Workload, is_state


class Ops:
    """The op set in tensor methods."""

    matmul = staticmethod(lambda a, b: a @ b)
    linear = staticmethod(lambda x, w, b: x.linear(w.T, b))
    relu = staticmethod(lambda x: x.relu())
    relu6 = staticmethod(lambda x: x.clip(0, 6))
    add = staticmethod(lambda a, b: a + b)
    mul = staticmethod(lambda a, b: a * b)
    gelu = staticmethod(lambda x: 0.5 * x * (1 + (x * (1 / math.sqrt(2))).erf()))
    softmax = staticmethod(lambda x: x.softmax(-1))
    xent = staticmethod(lambda x, labels: x.sparse_categorical_crossentropy(labels))
    image = staticmethod(lambda x: x)
    flatten = staticmethod(lambda x: x.flatten(1))
    gap = staticmethod(lambda x: x.mean((2, 3)))
    reshape = staticmethod(lambda x, shape: x.reshape(shape))
    embed = staticmethod(lambda w, tokens: w[tokens])
    bcast0 = staticmethod(lambda x: x.unsqueeze(0))
    layernorm = staticmethod(lambda x, gain, bias: x.layernorm(eps=1e-5) * gain + bias)
    heads = staticmethod(lambda x, b, s, h: x.reshape(b, s, h, -1).transpose(1, 2))
    unheads = staticmethod(lambda x, b, s, d: x.transpose(1, 2).reshape(b * s, d))

    @staticmethod
    def conv(x: Any, w: Any, b: Any = None, stride: int = 1, pad: int = 0, groups: int = 1) -> Any:
        return x.conv2d(w, b, groups, stride, 1, pad)

    @staticmethod
    def maxpool(x: Any, kernel: int, stride: int, pad: int) -> Any:
        return x.max_pool2d((kernel, kernel), stride, 1, pad)

    @staticmethod
    def attention(q: Any, k: Any, v: Any, causal: bool) -> Any:
        return q.scaled_dot_product_attention(k, v, is_causal=causal)

    @staticmethod
    def bn(x: Any, p: dict[str, Any], name: str, train: bool) -> Any:
        gain, bias, mean, variance = (p[name + suffix] for suffix in (".g", ".b", ".rm", ".rv"))
        if train:
            old_mean, old_variance = mean, variance
            mean = x.mean((0, 2, 3))
            variance = (x - mean.reshape(1, -1, 1, 1)).square().mean((0, 2, 3))
            count = x.numel() // x.shape[1]
            unbiased = variance.detach() * (count / (count - 1))
            old_mean.assign(0.9 * old_mean + 0.1 * mean.detach())
            old_variance.assign(0.9 * old_variance + 0.1 * unbiased)
        return x.batchnorm(gain, bias, mean, (variance + 1e-5).rsqrt())

    @staticmethod
    def lstm_last(x: Any, w_input: Any, w_hidden: Any, bias: Any) -> Any:
        steps, batch, _ = x.shape
        gates = x.linear(w_input.T, bias)
        h = c = Tensor.zeros(batch, w_hidden.shape[1])
        for step in range(steps):
            i, f, g, o = (gates[step] + h @ w_hidden.T).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return h


def setup(workload: Workload, threads: int, variant: str) -> Setup:
    params = {
        name: Tensor(value.copy()).contiguous().realize()
        for name, value in workload.params().items()
    }
    training = workload.kind == "train"
    function = TinyJit(_train(workload, params) if training else _infer(workload, params))

    def compute(*inputs: Any) -> Any:
        with Tensor.train() if training else nullcontext():
            output = function(*inputs)
        Device[Device.DEFAULT].synchronize()
        return output

    def convert(array: Array) -> Tensor:
        return Tensor(array.astype(np.int32) if array.dtype.kind == "i" else array).realize()

    return ready(Step(compute, convert, lambda output: output.numpy()), workload.inputs())


def _infer(workload: Workload, params: dict[str, Any]) -> Any:
    return lambda *inputs: workload.forward(Ops, params, *inputs).realize()


def _train(workload: Workload, params: dict[str, Any]) -> Any:
    weights = [value for name, value in params.items() if not is_state(name)]
    state = [value for name, value in params.items() if is_state(name)]
    for weight in weights:
        weight.requires_grad = True
    if workload.opt == "sgd":
        optimizer = nn.optim.SGD(weights, lr=workload.lr, momentum=0.9)
    else:
        optimizer = nn.optim.Adam(weights, lr=workload.lr)

    def train(*inputs: Any) -> Any:
        optimizer.zero_grad()
        loss = workload.forward(Ops, params, *inputs, train=True).backward()
        return loss.realize(*optimizer.schedule_step(), *state)

    return train
