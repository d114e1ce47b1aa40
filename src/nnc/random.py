"""Random numbers: one seed, a counter that moves on at each draw, and numpy for initial weights."""

import functools
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnc import operators as ops
from nnc.array import NDArray
from nnc.checks import count, number, sizes_of
from nnc.device import place_named
from nnc.dtypes import FLOATS, dtype_name
from nnc.elementwise_operators import log1p
from nnc.errors import DtypeError, OptionError
from nnc.graph import Operation, Scalar, placed, type_of
from nnc.recorder import record, recorder
from nnc.runtime.device import Place

Shape = int | Sequence[int]
STREAM = (0x6E6E63,)
"""Sets the numbers apart from those of a user's own `default_rng(seed)`."""


SEED, COUNTER = "seed", "counter"
"""The names of the program arguments that draws follow from; the counter tells them apart."""


class Generator:
    """The process's random state: a key, and how many draws have been recorded."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seed(secrets.randbits(64))

    def seed(self, value: int) -> None:
        sequence = np.random.SeedSequence(value, spawn_key=STREAM)
        self.key = int(sequence.generate_state(1, np.uint64)[0] >> 1)
        self.counter = 0
        self.numpy = np.random.default_rng(sequence)

    def state_dict(self) -> dict[str, Any]:
        """What later draws follow from."""
        state: Any = self.numpy.bit_generator.state
        return {"key": self.key, "counter": self.counter, "numpy": state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Draw from here on what would have been drawn."""
        self.numpy.bit_generator.state = state["numpy"]
        with self.lock:
            self.key, self.counter = state["key"], state["counter"]

    def next_counter(self, count: int = 1) -> int:
        """The first of `count` counters that nobody else gets."""
        with self.lock:
            self.counter += count
            return self.counter - count + 1

    def state(self) -> tuple[Scalar, Scalar]:
        """Key and counter of a new draw, as program arguments; in a loop each step has its own."""
        return self.key_number(), self.counter_number(1)

    def key_number(self) -> Scalar:
        """The key as a program argument."""
        return Scalar(self.key, "int64", lambda: self.key, SEED)

    def counter_number(self, draws: int) -> Scalar:
        """The first counter of new draws as a program argument."""
        following = functools.partial(self.next_counter, recorder.trips * draws)
        return Scalar(following(), "int64", following, COUNTER)


generator = Generator()


def seed(seed_state: int) -> None:
    """Start all random numbers anew: initial weights, dropout, draws and shuffles."""
    generator.seed(count("seed", seed_state, 0))


def uniform(
    low: float = 0.0,
    high: float = 1.0,
    shape: Shape = (),
    dtype: object = "float32",
    ctx: object = None,
    device: object = None,
) -> NDArray:
    """Draws from [low, high)."""
    low, high = number("uniform: low", low), number("uniform: high", high)
    place = place_named("uniform", device, ctx)
    return draw(ops.uniform, shape, dtype, place) * (high - low) + low


def normal(
    loc: float = 0.0,
    scale: float = 1.0,
    shape: Shape = (),
    dtype: object = "float32",
    ctx: object = None,
    device: object = None,
) -> NDArray:
    """Draws from a normal distribution."""
    loc, scale = number("normal: loc", loc), number("normal: scale", scale, least=0)
    place = place_named("normal", device, ctx)
    return draw(ops.normal, shape, dtype, place) * scale + loc


def randint(low: int, high: int, shape: Shape = (), dtype: object = "int32") -> NDArray:
    """Integers from `low` to `high` - 1; the range has at most 2^31 numbers."""
    first, span = count("randint: low", low, -(2**31)), count("randint: high", high, low + 1) - low
    if span > 2**31:
        raise OptionError(f"randint: expected a range of at most 2^31 numbers, given {span}")
    return (draw(ops.uniform, shape, "float64") * span).astype(dtype) + first


def bernoulli(prob: float = 0.5, shape: Shape = (), dtype: object = "float32") -> NDArray:
    """1 with a probability, else 0."""
    limit = number("bernoulli: prob", prob, least=0, most=1)
    return (draw(ops.uniform, shape, "float32") < limit).astype(dtype)


def exponential(scale: float = 1.0, shape: Shape = (), dtype: object = "float32") -> NDArray:
    """Draws from an exponential distribution of mean `scale`."""
    mean = number("exponential: scale", scale, above=0)
    return (-draw(ops.uniform, shape, dtype)).apply(log1p) * -mean


def draw(operation: Operation, shape: Shape, dtype: object, place: Place | None = None) -> NDArray:
    type = type_of(sizes_of(operation.name, shape), dtype_name(dtype))
    if type.dtype not in FLOATS:
        raise DtypeError(f"{operation.name}: draws are floats, given dtype {type.dtype}")
    [drawn] = record(operation, generator.state(), (type.shape, type.dtype))
    return NDArray(placed(drawn, place))
