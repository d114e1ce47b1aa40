"""JAX jit (XLA:CPU); NHWC convolutions as Flax would use. Also emits StableHLO for IREE."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from step import Setup, Step, ready
from workload import Array, Workload, channels_last, is_state


class Ops:
    """The op set; weights keep the shape `(out, in)`, since XLA folds the transpose."""

    matmul = staticmethod(jnp.matmul)
    add = staticmethod(jnp.add)
    mul = staticmethod(jnp.multiply)
    linear = staticmethod(lambda x, w, b: x @ w.T + b)
    relu = staticmethod(lambda x: jnp.maximum(x, 0))
    relu6 = staticmethod(lambda x: jnp.clip(x, 0, 6))
    gelu = staticmethod(lambda x: jax.nn.gelu(x, approximate=False))
    softmax = staticmethod(lambda x: jax.nn.softmax(x, -1))
    image = staticmethod(lambda x: x)
    flatten = staticmethod(lambda x: x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1))
    gap = staticmethod(lambda x: x.mean((1, 2)))
    reshape = staticmethod(lambda x, shape: x.reshape(shape))
    embed = staticmethod(lambda w, tokens: w[tokens])
    bcast0 = staticmethod(lambda x: x[None])
    heads = staticmethod(lambda x, b, s, h: x.reshape(b, s, h, -1).transpose(0, 2, 1, 3))
    unheads = staticmethod(lambda x, b, s, d: x.transpose(0, 2, 1, 3).reshape(b * s, d))

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        """New batch-norm statistics."""

    @staticmethod
    def xent(x: Any, labels: Any) -> Any:
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x, -1), labels[:, None], 1))

    @staticmethod
    def conv(x: Any, w: Any, b: Any = None, stride: int = 1, pad: int = 0, groups: int = 1) -> Any:
        y = lax.conv_general_dilated(
            x,
            w,
            (stride, stride),
            ((pad, pad), (pad, pad)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )
        return y if b is None else y + b

    @staticmethod
    def maxpool(x: Any, kernel: int, stride: int, pad: int) -> Any:
        window, strides = (1, kernel, kernel, 1), (1, stride, stride, 1)
        border = ((0, 0), (pad, pad), (pad, pad), (0, 0))
        return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, border)

    def bn(self, x: Any, p: dict[str, Any], name: str, train: bool) -> Any:
        mean, variance = p[name + ".rm"], p[name + ".rv"]
        if train:
            old_mean, old_variance = mean, variance
            mean = x.mean((0, 1, 2))
            variance = ((x - mean) ** 2).mean((0, 1, 2))
            count = x.size // x.shape[-1]
            self.state[name + ".rm"] = 0.9 * old_mean + 0.1 * mean
            self.state[name + ".rv"] = 0.9 * old_variance + 0.1 * variance * count / (count - 1)
        return (x - mean) * (lax.rsqrt(variance + 1e-5) * p[name + ".g"]) + p[name + ".b"]

    @staticmethod
    def layernorm(x: Any, gain: Any, bias: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        variance = (centred * centred).mean(-1, keepdims=True)
        return centred * lax.rsqrt(variance + 1e-5) * gain + bias

    @staticmethod
    def attention(q: Any, k: Any, v: Any, causal: bool) -> Any:
        scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / np.float32(np.sqrt(q.shape[-1]))
        if causal:
            scores = jnp.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -1e30)
        return jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(scores, -1), v)

    @staticmethod
    def lstm_last(x: Any, w_input: Any, w_hidden: Any, bias: Any) -> Any:
        zero = jnp.zeros((x.shape[1], w_hidden.shape[1]), jnp.float32)

        def cell(carry: Any, gates: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(gates + h @ w_hidden.T, 4, 1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        return lax.scan(cell, (zero, zero), x @ w_input.T + bias)[0][0]


def native_params(workload: Workload) -> dict[str, Array]:
    """The parameters, convolution weights as HWIO."""
    return {
        name: np.ascontiguousarray(value.transpose(2, 3, 1, 0)) if value.ndim == 4 else value
        for name, value in workload.params().items()
    }


def infer_function(workload: Workload) -> Callable[..., Any]:
    return lambda params, *inputs: workload.forward(Ops(), params, *inputs, train=False)


def train_function(workload: Workload) -> Callable[..., Any]:
    """`(params, state, m, v, t, *inputs) -> (params, state, m, v, t, loss)`."""
    lr = workload.lr

    def loss_of(params: Any, state: Any, *inputs: Any) -> Any:
        ops = Ops()
        loss = workload.forward(ops, {**params, **state}, *inputs, train=True)
        return loss, {**state, **ops.state}

    def step(p: Any, state: Any, m: Any, v: Any, t: Any, *inputs: Any) -> Any:
        (loss, state), g = jax.value_and_grad(loss_of, has_aux=True)(p, state, *inputs)
        if workload.opt == "sgd":
            m = {k: 0.9 * m[k] + g[k] for k in p}
            p = {k: p[k] - lr * m[k] for k in p}
            return p, state, m, v, t, loss
        t = t + 1
        m = {k: 0.9 * m[k] + 0.1 * g[k] for k in p}
        v = {k: 0.999 * v[k] + 0.001 * g[k] * g[k] for k in p}
        c1, c2 = 1 - 0.9**t, 1 - 0.999**t
        p = {k: p[k] - (lr / c1) * m[k] / (jnp.sqrt(v[k] / c2) + 1e-8) for k in p}
        return p, state, m, v, t, loss

    return step


def train_arguments(workload: Workload) -> list[Any]:
    """What a training step carries: parameters, state, first and second moments, time."""
    values = native_params(workload)
    params = {name: value for name, value in values.items() if not is_state(name)}
    state = {name: value for name, value in values.items() if is_state(name)}
    first = {name: np.zeros_like(value) for name, value in params.items()}
    second = {name: np.zeros_like(value) for name, value in params.items()}
    return [params, state, first, second if workload.opt == "adam" else {}, np.float32(0)]


def setup(workload: Workload, threads: int, variant: str) -> Setup:
    compute = _infer(workload) if workload.kind == "infer" else _train(workload)
    step = Step(compute, lambda array: jnp.asarray(channels_last(array)), np.asarray)
    return ready(step, workload.inputs())


def _infer(workload: Workload) -> Callable[..., Any]:
    params = jax.tree.map(jnp.asarray, native_params(workload))
    function = jax.jit(infer_function(workload))
    return lambda *inputs: function(params, *inputs).block_until_ready()


def _train(workload: Workload) -> Callable[..., Any]:
    carried = jax.tree.map(jnp.asarray, train_arguments(workload))
    function = jax.jit(train_function(workload), donate_argnums=range(len(carried)))

    def train(*inputs: Any) -> Any:
        nonlocal carried
        *carried, loss = function(*carried, *inputs)
        jax.block_until_ready(carried)
        return loss

    return train
