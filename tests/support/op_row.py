"""A small program of one graph op, its inputs, its exact results and the bound of their error."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
from xdsl.builder import Builder
from xdsl.dialects.builtin import ModuleOp, TensorType, bf16, f16, f32, f64, i1, i32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.dialects.interpret import run
from nnc.dialects.meaning.attention import scores
from nnc.dialects.nn.attention import AttentionGradOp, AttentionOp

Array = npt.NDArray[Any]
Arrays = Sequence[Array]


@dataclass(frozen=True)
class Row:
    """One op on its inputs; `terms` gives the sum of the absolute terms of each result."""

    build: Callable[..., Operation]
    inputs: tuple[Array, ...]
    terms: "Terms"

    def of(self, dtype: str) -> "Row":
        """The row with its floats in another type."""
        with np.errstate(over="ignore"):
            inputs = (x.astype(dtype) if x.dtype == np.float32 else x for x in self.inputs)
            return replace(self, inputs=tuple(inputs))

    @property
    def name(self) -> str:
        shapes = " ".join("x".join(map(str, x.shape)) or "scalar" for x in self.inputs)
        return f"{self.op.name} {shapes}"

    @property
    def op(self) -> Operation:
        """The op, on arguments of no program."""
        return self.build(*arguments(self.inputs))

    def module(self) -> ModuleOp:
        return program([self])

    @cached_property
    def reference(self) -> tuple[Arrays, Sequence[Array | float]]:
        """The exact results, and how far from them a result may be."""
        exact = self.exact()
        dtypes = [x.dtype for x in self.inputs if x.dtype.kind not in "iub"]
        info = ml_dtypes.finfo(dtypes[0] if dtypes else np.float32)
        terms = self.terms(replace(self, inputs=self.precise), exact)
        epsilon, smallest = float(info.eps), float(info.smallest_normal)
        return exact, [4 * epsilon * np.abs(term) + smallest for term in terms]

    def check(self, results: Arrays) -> None:
        """Raises where a result is too far from the exact one."""
        for given, expected, bound in zip(results, *self.reference, strict=True):
            assert given.shape == expected.shape
            with np.errstate(all="ignore"):
                rounded = expected.astype(given.dtype)
                error = np.abs(given.astype(np.float64) - expected)
            right = (given == rounded) | (error <= bound)
            first = tuple(np.argwhere(~right)[0]) if not right.all() else ()
            assert right.all(), (
                f"{self.name}: {(~right).sum()} of {right.size} are wrong, the first at {first}: "
                f"{given[first]}, expected {rounded[first]}"
            )

    def exact(self, *, magnitudes: bool = False) -> Arrays:
        """The results in f64, of the inputs or of their absolute values."""
        inputs = self.precise
        return run(self.module(), [np.abs(x) for x in inputs] if magnitudes else inputs)

    @property
    def precise(self) -> tuple[Array, ...]:
        """The inputs with their floats in f64."""
        return tuple(x if x.dtype.kind in "iub" else x.astype(np.float64) for x in self.inputs)


def program(rows: Sequence[Row]) -> ModuleOp:
    """A program that takes the inputs of all rows, and returns their results."""
    block = Block(arg_types=[type_of(x) for row in rows for x in row.inputs])
    values, b = iter(block.args), Builder(InsertPoint.at_end(block))
    ops = [b.insert(row.build(*(next(values) for _ in row.inputs))) for row in rows]
    results = [result for op in ops for result in op.results]
    b.insert(ReturnOp(*results))
    types = [result.type for result in results]
    module = ModuleOp([FuncOp("main", (block.arg_types, types), Region(block))])
    module.verify()
    return module


Terms = Callable[[Row, Arrays], Sequence[Array | float]]
"""From a row and its exact results, what the error of each is measured by."""

ELEMENTS = {
    "float16": f16,
    "bfloat16": bf16,
    "float32": f32,
    "float64": f64,
    "int32": i32,
    "bool": i1,
}


def type_of(array: Array) -> TensorType[Any]:
    return TensorType(ELEMENTS[str(array.dtype)], array.shape)


def arguments(inputs: Arrays) -> Sequence[SSAValue]:
    return Block(arg_types=[type_of(x) for x in inputs]).args


def normal(*sizes: int) -> Array:
    seed = [*sizes, len(sizes)]
    return np.random.default_rng(seed).standard_normal(sizes).astype(np.float32)


def positive(*sizes: int) -> Array:
    return np.abs(normal(*sizes)) + np.float32(0.25)


def whole(high: int, *sizes: int) -> Array:
    return np.random.default_rng([*sizes, high]).integers(0, high, sizes, dtype=np.int32)


def scalar(value: float) -> Array:
    return np.array(value, np.float32)


def same(row: Row, results: Arrays) -> Sequence[float]:
    """Nothing is rounded but the result."""
    return [0.0] * len(results)


def relative(ulps: float) -> Callable[[Row, Arrays], Arrays]:
    """So many ulps of the result."""
    return lambda row, results: [np.abs(y) * (ulps / 4) for y in results]


def linear(row: Row, results: Arrays) -> Arrays:
    """The op of the absolute values, for what is linear in each input with positive weights."""
    return row.exact(magnitudes=True)


def total(row: Row, results: Arrays) -> Arrays:
    """The absolute inputs together."""
    return [sum((np.abs(x) for x in row.inputs), np.zeros(y.shape)) for y in results]


def of_input(row: Row, results: Arrays) -> Arrays:
    return [np.abs(row.inputs[0]) for _ in results]


def softmax(row: Row, results: Arrays) -> Arrays:
    """The exponent x - max is rounded: an error relative to the result."""
    distance = np.ptp(row.inputs[0], axis=-1, keepdims=True)
    return [np.abs(results[-1]) * (1 + distance)]


def log_softmax(row: Row, results: Arrays) -> Arrays:
    return [np.abs(results[0]) + np.ptp(row.inputs[0], axis=-1, keepdims=True) + 1]


def softmax_grad(row: Row, results: Arrays) -> Arrays:
    y, g = row.inputs
    return [np.abs(y) * (np.abs(g) + np.sum(np.abs(y * g), axis=-1, keepdims=True))]


def log_softmax_grad(row: Row, results: Arrays) -> Arrays:
    y, g = row.inputs
    weights = np.exp(y) * (1 + np.abs(y))
    return [np.abs(g) + weights * np.sum(np.abs(g), axis=-1, keepdims=True)]


def cross_entropy(row: Row, results: Arrays) -> Arrays:
    distance = np.ptp(row.inputs[0], axis=-1)
    return [np.abs(results[0]) + distance + 1, results[1] * (1 + distance[:, None])]


def batch_norm_terms(row: Row, results: Arrays) -> Arrays:
    x, gamma, beta = (np.abs(v) for v in row.inputs)
    axes = tuple(a for a in range(x.ndim) if a != 1)
    wide = (slice(None), *[None] * (x.ndim - 2))
    _, mean, variance = (np.abs(y) for y in results)
    scale = gamma / np.sqrt(variance)
    normalized = (x + mean[wide]) * scale[wide] * 4 + beta[wide]
    return [normalized, x.mean(axes), ((x + mean[wide]) ** 2).mean(axes)]


def batch_norm_grad_terms(row: Row, results: Arrays) -> Arrays:
    x, gamma, mean, variance, g = (np.abs(v) for v in row.inputs)
    axes = tuple(a for a in range(x.ndim) if a != 1)
    wide = (slice(None), *[None] * (x.ndim - 2))
    rate = 1 / np.sqrt(variance)
    normalized = (x + mean[wide]) * rate[wide]
    product = normalized * g
    centered = g + g.mean(axes)[wide] + normalized * product.mean(axes)[wide]
    return [centered * (gamma * rate)[wide] * 4, product.sum(axes), g.sum(axes)]


def norm_terms(row: Row, results: Arrays) -> Arrays:
    """The mean, the difference to it and the rate are each rounded."""
    x = np.abs(row.inputs[0])
    h, rate = results
    axes = tuple(range(rate.ndim, x.ndim))
    largest = x.max(axes, keepdims=True) * np.expand_dims(rate, axes)
    return [2 * (np.abs(h) + largest), rate * 4]


def norm_grad_terms(row: Row, results: Arrays) -> Arrays:
    h, rate, g = (np.abs(v) for v in row.inputs)
    product, mean = (h * g).mean(1, keepdims=True), g.mean(1, keepdims=True)
    return [2 * rate[:, None] * (g + mean + h * product)]


def probabilities(row: Row, log_sum: Array) -> tuple[Array, float]:
    """Of an attention, and how much more than themselves they may be wrong, being powers."""
    query, key = (x.astype(np.float64) for x in row.inputs[:2])
    op = row.op
    assert isinstance(op, AttentionOp | AttentionGradOp)
    mask = [x for x in row.inputs[op.MASK :]]
    powers = np.exp(scores(op, query, key, *mask) - log_sum[..., None])
    reach = (
        op.scale.value.data
        * np.max(np.linalg.norm(query, axis=-1))
        * np.max(np.linalg.norm(key, axis=-1))
    )
    return powers, 1 + 2 * reach


def attention_terms(row: Row, results: Arrays) -> Arrays:
    _, log_sum = results
    weights, reach = probabilities(row, log_sum)
    return [reach * (weights @ np.abs(row.inputs[2])), np.abs(log_sum) + reach]


def attention_grad_terms(row: Row, results: Arrays) -> Arrays:
    query, key, value, _, delta, grad = (np.abs(x) for x in row.inputs[:6])
    weights, reach = probabilities(row, row.inputs[3].astype(np.float64))
    of_scores = reach * weights * (grad @ value.swapaxes(-1, -2) + delta[..., None])
    turned = of_scores.swapaxes(-1, -2)
    return [of_scores @ key, turned @ query, reach * weights.swapaxes(-1, -2) @ grad]


def update(row: Row, results: Arrays) -> Arrays:
    """What is read and written at each element, and the gradient."""
    gradient, *old = row.inputs
    return [
        np.abs(new) + np.abs(before) + 4 * np.abs(gradient)
        for new, before in zip(results, old, strict=False)
    ]


def ftrl_update(row: Row, results: Arrays) -> Arrays:
    """The growth of a root, over the rate and times the parameter, is a small difference."""
    _, param, _, total, lr, *_ = row.inputs
    growth = 2 * np.sqrt(total) / lr * np.abs(param)
    scale = lr / (1 + np.sqrt(total))
    amounts = [growth * scale, growth, np.zeros_like(growth)]
    return [a + b for a, b in zip(update(row, results), amounts, strict=True)]


def one(row: Row, results: Arrays) -> Sequence[float]:
    """Values of about one."""
    return [2.0] * len(results)
