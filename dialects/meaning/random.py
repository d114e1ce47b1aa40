"""The meaning of random ops: Philox 4x32-10 on whole arrays."""

from typing import Any

import numpy as np
from xdsl.interpreter import InterpreterFunctions, register_impls

from nnc.dialects.meaning.formulas import Array, dtype_of, meaning
from nnc.dialects.nn import random
from nnc.dialects.nn.base import shape_of

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox(counter: Array, key: Array) -> Array:
    """The blocks of counters (4, …) under a key (2,): u32 numbers, held in u64."""
    c0, c1, c2, c3 = counter.astype(np.uint64)
    k0, k1 = key.astype(np.uint64)
    for _ in range(10):
        product0, product1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (product1 >> HALF) ^ c1 ^ k0, product1 & LOW
        c2, c3 = (product0 >> HALF) ^ c3 ^ k1, product0 & LOW
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & LOW, (k1 + np.uint64(0xBB67AE85)) & LOW
    return np.stack([c0, c1, c2, c3])


def words(value: Array) -> tuple[Any, Any]:
    """The low and high 32 bits of an i32 or i64 number."""
    bits = int(value) & (0xFFFFFFFF if value.dtype == np.int32 else 0xFFFFFFFFFFFFFFFF)
    return np.uint64(bits & 0xFFFFFFFF), np.uint64(bits >> 32)


def draws(key: Array, counter: Array, shape: tuple[int, ...]) -> Array:
    """The top 24 bits of the four words of each element, as integers: (4, *shape)."""
    elements = np.arange(np.prod(shape, dtype=int), dtype=np.uint64)
    counters = np.zeros((4, len(elements)), np.uint64)
    counters[0] = elements
    counters[2], counters[3] = words(counter)
    blocks = philox(counters, np.array(words(key)))
    return (blocks >> np.uint64(8)).reshape(4, *shape)


def uniform(op: random.UniformOp, key: Array, counter: Array) -> Array:
    dtype = dtype_of(op.type)
    largest = np.nextafter(dtype.type(1), dtype.type(0)).astype(np.float64)
    drawn = draws(key, counter, shape_of(op.output))[0] / 2**24
    return np.minimum(drawn, largest).astype(dtype)


def normal(op: random.NormalOp, key: Array, counter: Array) -> Array:
    u, v, _, _ = draws(key, counter, shape_of(op.output))
    radius = np.sqrt(-2 * np.log((u + np.uint64(1)) / 2**24))
    return (radius * np.cos(2 * np.pi * (v / 2**24))).astype(dtype_of(op.type))


def dropout(op: random.DropoutOp, x: Array, key: Array, counter: Array) -> Array:
    rate = op.rate.value.data
    kept = draws(key, counter, x.shape)[0] >= round(rate * 2**24)
    return np.where(kept, x * x.dtype.type(1 / (1 - rate)), x.dtype.type(0))


@register_impls
class RandomFunctions(InterpreterFunctions):
    """One numpy formula per op."""

    uniform = meaning(random.UniformOp, uniform)
    normal = meaning(random.NormalOp, normal)
    dropout = meaning(random.DropoutOp, dropout)
