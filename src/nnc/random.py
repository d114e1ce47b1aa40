"""Random numbers: one seed, a counter that moves on at each draw, and numpy for initial weights."""

import functools
import math
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nnc.array_functions.elementwise import logical_and
from nnc.array_functions.index import selected
from nnc.array_functions.reduce import argsort
from nnc.array_functions.wrapping import check_out, into
from nnc.arrays.array import NDArray, as_array
from nnc.checks import count, number, sizes_of
from nnc.device import common_place, place_named
from nnc.dtypes import FLOATS, dtype_name
from nnc.errors import DtypeError, OptionError, ShapeError
from nnc.operators import core as ops
from nnc.operators.elementwise import log1p
from nnc.recording.graph import Operation, Scalar, placed, type_of
from nnc.recording.recorder import record, recorder
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
    low: Any = 0.0,
    high: Any = 1.0,
    shape: Shape = (),
    dtype: object = "float32",
    ctx: object = None,
    device: object = None,
    *,
    out: NDArray | None = None,
) -> NDArray:
    """Draws from [low, high); of arrays, `shape` draws for each of their elements.

    They are written into `out`, if it is given.
    """
    if are_arrays(low, high):
        width: Any = as_array(high) - low
    else:
        low = number("uniform: low", low)
        width = number("uniform: high", high) - low
    return draws(ops.uniform, low, width, shape, dtype, ctx, device, out)


def normal(
    loc: Any = 0.0,
    scale: Any = 1.0,
    shape: Shape = (),
    dtype: object = "float32",
    ctx: object = None,
    device: object = None,
    *,
    out: NDArray | None = None,
) -> NDArray:
    """Draws from a normal distribution; of arrays, `shape` draws for each of their elements.

    They are written into `out`, if it is given.
    """
    if not are_arrays(loc, scale):
        loc, scale = number("normal: loc", loc), number("normal: scale", scale, least=0)
    return draws(ops.normal, loc, scale, shape, dtype, ctx, device, out)


def are_arrays(*given: Any) -> bool:
    return any(isinstance(one, NDArray | np.ndarray | list | tuple) for one in given)


def draws(
    operation: Operation,
    loc: Any,
    scale: Any,
    shape: Shape,
    dtype: object,
    ctx: object,
    device: object,
    out: NDArray | None,
) -> NDArray:
    """Draws times `scale` plus `loc`."""
    if out is not None:
        target = check_out(out)
        device = target.device if device is None and ctx is None else device
        made = draws(operation, loc, scale, shape or target.shape, dtype, ctx, device, None)
        return into(target, made)
    place = place_named(operation.name, device, ctx)
    if are_arrays(loc, scale):
        return spread(operation, loc, scale, shape, dtype)
    return draw(operation, shape, dtype, place) * scale + loc


def spread(operation: Operation, loc: Any, scale: Any, shape: Shape, dtype: object) -> NDArray:
    """Draws times `scale` plus `loc`, of which each pair of elements gets `shape` draws."""
    given, more = [as_array(loc), as_array(scale)], sizes_of(operation.name, shape)
    try:
        sizes = np.broadcast_shapes(*(x.shape for x in given))
    except ValueError:
        raise ShapeError(
            f"{operation.name}: shapes {given[0].shape} and {given[1].shape} cannot be broadcast "
            "together"
        ) from None
    first, second = (x.reshape((*x.shape, *[1] * len(more))) for x in given)
    place = common_place(operation.name, [x.current.type.device for x in given])
    return draw(operation, (*sizes, *more), dtype, place) * second + first


def randn(*shape: int, loc: float = 0.0, scale: float = 1.0, dtype: object = "float32") -> NDArray:
    """`normal` with the sizes as arguments."""
    return normal(loc, scale, shape, dtype)


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


def gamma(
    alpha: float = 1.0, beta: float = 1.0, shape: Shape = (), dtype: object = "float32"
) -> NDArray:
    """Draws from a gamma distribution of mean `alpha beta`.

    Marsaglia's and Tsang's way takes the first of a few candidates that is accepted; 1 in 10^10
    draws is `alpha - 1/3` instead.
    """
    alpha, beta = number("gamma: alpha", alpha, above=0), number("gamma: beta", beta, above=0)
    if alpha < 1:
        boost = draw(ops.uniform, shape, dtype) ** (1 / alpha)
        return gamma(alpha + 1, beta, shape, dtype) * boost
    most = alpha - 1 / 3
    found = draw(ops.uniform, shape, dtype) * 0 + most
    for _ in range(CANDIDATES):
        x, u = draw(ops.normal, shape, dtype), draw(ops.uniform, shape, dtype)
        v = (x / (9 * most) ** 0.5 + 1) ** 3
        level = x.square() / 2 + (v.clip(1e-30, 1e30).log() - v + 1) * most
        accepted = logical_and(v > 0, u.log() < level)
        found = selected(accepted, v * most, found)
    return found * beta


CANDIDATES = 8
"""How often `gamma` tries; each candidate is accepted with a probability above 0.95."""


def poisson(lam: float = 1.0, shape: Shape = (), dtype: object = "float32") -> NDArray:
    """Draws from a Poisson distribution of mean `lam`."""
    mean = number("poisson: lam", lam, least=0)

    def logarithm(k: int) -> float:
        return k * math.log(mean) - mean - math.lgamma(k + 1)

    return counted("poisson", logarithm, mean, shape, dtype)


def binomial(n: int = 1, p: float = 0.5, shape: Shape = (), dtype: object = "float32") -> NDArray:
    """How many of n trials succeed, each with probability p."""
    trials = count("binomial: n", n, 0)
    share = number("binomial: p", p, least=0, most=1)
    if share > 0.5:
        return trials - binomial(trials, 1 - share, shape, dtype)

    def logarithm(k: int) -> float:
        if k > trials:
            return -math.inf
        ways = math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        return ways + k * math.log(share) + (trials - k) * math.log1p(-share)

    return counted("binomial", logarithm, trials * share, shape, dtype)


def negative_binomial(
    k: float = 1, p: float = 1.0, shape: Shape = (), dtype: object = "float32"
) -> NDArray:
    """How many failures come before the k-th success, which has probability p."""
    share, times = number("negative_binomial: p", p, above=0, most=1), number("k", k, above=0)
    failing = times * (1 - share) / share

    def logarithm(n: int) -> float:
        ways = math.lgamma(n + times) - math.lgamma(times) - math.lgamma(n + 1)
        return ways + times * math.log(share) + n * math.log1p(-share)

    return counted("negative_binomial", logarithm, failing, shape, dtype)


def generalized_negative_binomial(
    mu: float = 1.0, alpha: float = 1.0, shape: Shape = (), dtype: object = "float32"
) -> NDArray:
    """Counts of mean mu and variance `mu + alpha mu^2`."""
    mu = number("generalized_negative_binomial: mu", mu, least=0)
    alpha = number("generalized_negative_binomial: alpha", alpha, least=0)
    if not alpha or not mu:
        return poisson(mu, shape, dtype)
    return negative_binomial(1 / alpha, 1 / (1 + mu * alpha), shape, dtype)


MOST_COUNTS = 2**18
"""Each draw is compared with as many shares as there may be counts."""


def counted(
    name: str, logarithm: Callable[[int], float], mean: float, shape: Shape, dtype: object
) -> NDArray:
    """Draws of counts, given the logarithm of the probability of each.

    Those that come once in 10^12 draws are left out.
    """
    if mean == 0:
        return (draw(ops.uniform, shape, "float32") * 0).astype(dtype)
    shares: list[float] = []
    while len(shares) <= mean or shares[-1] * len(shares) > 1e-12:
        if 2 * max(len(shares), mean) > MOST_COUNTS:
            raise OptionError(
                f"{name}: with a mean of {mean:g} counts go beyond {MOST_COUNTS}, which are too "
                "many to draw from; round draws of nnc.random.normal or gamma"
            )
        shares += [math.exp(logarithm(n)) for n in range(len(shares), 2 * len(shares) + 16)]
    drawn = draw(ops.uniform, shape, "float64").expand_dims(-1)
    return (as_array(np.cumsum(shares), "float64") <= drawn).sum(-1).astype(dtype)


def multinomial(
    data: Any, shape: Shape = (), get_prob: bool = False, dtype: object = "int32"
) -> Any:
    """Positions along the last axis of `data`, which has their probabilities; `shape` for each row.

    With `get_prob` also the logarithms of their probabilities, which have gradients.
    """
    shares, more = as_array(data).as_float(), sizes_of("multinomial: shape", shape)
    if not shares.ndim:
        raise ShapeError("multinomial: expected probabilities along an axis, given a number")
    rows, size = shares.shape[:-1], shares.shape[-1]
    ends = shares.detach().apply(ops.cumsum, shares.ndim - 1)
    wide = ends.reshape((*rows, *[1] * len(more), size))
    limit = draw(ops.uniform, (*rows, *more), shares.dtype).expand_dims(-1)
    at = (wide <= limit * wide[(..., slice(size - 1, size))]).sum(-1)
    if not get_prob:
        return at.astype(dtype, copy=False)
    known = shares.reshape((*rows, *[1] * len(more), size)).broadcast_to((*rows, *more, size))
    chances = NDArray(record(ops.pick, [known.current, at.current], (-1,))[0])
    return at.astype(dtype, copy=False), chances.log()


def shuffle(data: Any) -> NDArray:
    """The slices along the first axis in random order. Compares each two of their numbers."""
    rows = as_array(data)
    return rows.take(argsort(draw(ops.uniform, rows.shape[:1], "float64")))


def uniform_like(data: Any, low: float = 0.0, high: float = 1.0) -> NDArray:
    """`uniform` in the shape and dtype of an array."""
    like = as_array(data)
    return uniform(low, high, like.shape, like.dtype, device=like.device)


def normal_like(data: Any, loc: float = 0.0, scale: float = 1.0) -> NDArray:
    """`normal` in the shape and dtype of an array."""
    like = as_array(data)
    return normal(loc, scale, like.shape, like.dtype, device=like.device)


def draw(operation: Operation, shape: Shape, dtype: object, place: Place | None = None) -> NDArray:
    type = type_of(sizes_of(operation.name, shape), dtype_name(dtype))
    if type.dtype not in FLOATS:
        raise DtypeError(f"{operation.name}: draws are floats, given dtype {type.dtype}")
    [drawn] = record(operation, generator.state(), (type.shape, type.dtype))
    return NDArray(placed(drawn, place))
