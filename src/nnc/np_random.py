"""Random numbers with NumPy's arguments: `nnc.np.random`, under `nnc.random.seed`."""

from collections.abc import Sequence
from typing import Any

from nnc import nd, random
from nnc.arrays.array import NDArray, as_array, the_array
from nnc.checks import axis_of, count, sizes_of
from nnc.errors import OptionError

Size = int | Sequence[int] | None

seed = random.seed


def sizes(size: Size) -> int | Sequence[int]:
    """None means one number."""
    return () if size is None else size


def uniform(
    low: Any = 0.0,
    high: Any = 1.0,
    size: Size = None,
    dtype: object = "float32",
    ctx: object = None,
    device: object = None,
) -> NDArray:
    """Draws from [low, high)."""
    return random.uniform(low, high, sizes(size), dtype, ctx, device)


def normal(
    loc: Any = 0.0,
    scale: Any = 1.0,
    size: Size = None,
    dtype: object = "float32",
    ctx: object = None,
    device: object = None,
) -> NDArray:
    """Draws from a normal distribution."""
    return random.normal(loc, scale, sizes(size), dtype, ctx, device)


def rand(*size: int) -> NDArray:
    """Draws from [0, 1)."""
    return uniform(size=size)


def randn(*size: int) -> NDArray:
    """Draws from a normal distribution of mean 0 and deviation 1."""
    return normal(size=size)


def randint(
    low: int, high: int | None = None, size: Size = None, dtype: object = "int32"
) -> NDArray:
    """Integers from `low` to `high` - 1, or from 0 to `low` - 1."""
    first, end = (0, low) if high is None else (low, high)
    return random.randint(first, end, sizes(size), dtype)


def exponential(scale: float = 1.0, size: Size = None) -> NDArray:
    """Draws from an exponential distribution of mean `scale`."""
    return random.exponential(scale, sizes(size))


def gamma(shape: float, scale: float = 1.0, size: Size = None) -> NDArray:
    """Draws from a gamma distribution of mean `shape scale`."""
    return random.gamma(shape, scale, sizes(size))


def poisson(lam: float = 1.0, size: Size = None) -> NDArray:
    """Draws from a Poisson distribution of mean `lam`, as int32."""
    return random.poisson(lam, sizes(size), "int32")


def binomial(n: int, p: float, size: Size = None) -> NDArray:
    """How many of n trials succeed, each with probability p, as int32."""
    return random.binomial(n, p, sizes(size), "int32")


def multinomial(n: int, pvals: Any, size: Size = None) -> NDArray:
    """How often each of several outcomes comes in n trials: (…size, outcomes), as int32."""
    shares = as_array(pvals)
    given = sizes_of("multinomial: size", sizes(size))
    drawn = random.multinomial(shares, (*given, count("multinomial: n", n, 0)))
    return (drawn.expand_dims(-1) == nd.arange(len(shares), dtype="int32")).sum(-2)


def permutation(x: Any) -> NDArray:
    """The rows of an array, or the numbers below an integer, in random order."""
    return random.shuffle(nd.arange(x, dtype="int32") if isinstance(x, int) else x)


def shuffle(x: NDArray) -> None:
    """Brings the rows of an array in random order."""
    rows = the_array("shuffle", x)
    rows[:] = random.shuffle(rows)


def choice(a: Any, size: Size = None, replace: bool = True, p: Any = None) -> NDArray:
    """Some of the elements of a vector, or of the numbers below an integer."""
    given = nd.arange(count("choice: a", a), dtype="int32") if isinstance(a, int) else as_array(a)
    axis_of("choice", 0, given.ndim)
    if replace:
        shares = nd.ones((len(given),)) if p is None else as_array(p)
        return given.take(random.multinomial(shares, sizes(size)))
    if p is not None:
        raise OptionError("choice: probabilities go with replace=True")
    chosen = 1 if size is None else nd.zeros(sizes(size)).size
    if chosen > len(given):
        raise OptionError(f"choice: {chosen} of {len(given)} elements, without replacement")
    return random.shuffle(given)[:chosen].reshape(sizes(size))
