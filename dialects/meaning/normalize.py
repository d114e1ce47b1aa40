"""The meaning of softmax, losses and batch normalization."""

import numpy as np
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)

from nnc.dialects.meaning.formulas import Array, meaning
from nnc.dialects.nn import batch_norm as bn
from nnc.dialects.nn import normalize as n


def log_sum_exp(x: Array, axis: int) -> Array:
    largest = np.max(x, axis, keepdims=True, initial=-np.inf)
    return largest + np.log(np.sum(np.exp(x - largest), axis, keepdims=True))


def log_softmax(op: n.LogSoftmaxOp, x: Array) -> Array:
    return x - log_sum_exp(x, op.axis.value.data)


def softmax(op: n.SoftmaxOp, x: Array) -> Array:
    return np.exp(x - log_sum_exp(x, op.axis.value.data))


def softmax_grad(op: n.SoftmaxGradOp, y: Array, g: Array) -> Array:
    return y * g - y * np.sum(y * g, op.axis.value.data, keepdims=True)


def log_softmax_grad(op: n.LogSoftmaxGradOp, y: Array, g: Array) -> Array:
    return g - np.exp(y) * np.sum(g, op.axis.value.data, keepdims=True)


def one_hot(scores: Array, label: Array) -> Array:
    """1 at the label, else 0; a row of NaN where that is no class."""
    classes = scores.shape[-1]
    known = (label >= 0) & (label < classes)
    hits = np.equal(label[..., None], np.arange(classes)).astype(scores.dtype)
    return np.where(known[..., None], hits, np.nan)


def cross_entropy_grad(op: n.CrossEntropyGradOp, p: Array, label: Array, g: Array) -> Array:
    return (p - one_hot(p, label)) * g[..., None]


def per_channel(x: Array, values: Array) -> Array:
    return values.reshape(-1, *[1] * (x.ndim - 2))


@register_impls
class NormalizeFunctions(InterpreterFunctions):
    """One numpy formula per op."""

    softmax = meaning(n.SoftmaxOp, softmax)
    softmax_grad = meaning(n.SoftmaxGradOp, softmax_grad)
    log_softmax = meaning(n.LogSoftmaxOp, log_softmax)
    log_softmax_grad = meaning(n.LogSoftmaxGradOp, log_softmax_grad)
    cross_entropy_grad = meaning(n.CrossEntropyGradOp, cross_entropy_grad)

    @impl(n.CrossEntropyOp)
    def cross_entropy(
        self, interpreter: Interpreter, op: n.CrossEntropyOp, args: PythonValues
    ) -> PythonValues:
        logits, label = args
        logs, hits = logits - log_sum_exp(logits, -1), one_hot(logits, label)
        return -np.sum(np.where(hits == 0, 0, hits * logs), -1), np.exp(logs)

    @impl(bn.BatchNormOp)
    def batch_norm(
        self, interpreter: Interpreter, op: bn.BatchNormOp, args: PythonValues
    ) -> PythonValues:
        x, gamma, beta = args
        mean, variance = np.mean(x, op.row_axes()), np.var(x, op.row_axes())
        deviation = np.sqrt(variance + op.epsilon.value.data)
        h = (x - per_channel(x, mean)) / per_channel(x, deviation)
        return per_channel(x, gamma) * h + per_channel(x, beta), mean, variance

    @impl(bn.BatchNormGradOp)
    def batch_norm_grad(
        self, interpreter: Interpreter, op: bn.BatchNormGradOp, args: PythonValues
    ) -> PythonValues:
        x, gamma, mean, variance, g = args
        deviation = np.sqrt(variance + op.epsilon.value.data)
        h = (x - per_channel(x, mean)) / per_channel(x, deviation)
        dgamma, dbeta = np.sum(g * h, op.row_axes()), np.sum(g, op.row_axes())
        explained = (per_channel(x, dbeta) + h * per_channel(x, dgamma)) / op.count
        return per_channel(x, gamma / deviation) * (g - explained), dgamma, dbeta
