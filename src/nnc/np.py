"""NumPy's functions of arrays of nnc, as `mx.np` of MXNet 2 has them.

    from nnc import np, npx
    np.random.normal(size=(2, 3)).sum(axis=1)

What NumPy and `nnc.nd` call by the same name is taken from `nnc.nd`, but for those below, whose
arguments differ. Arrays are those of `nnc.nd`; numbers are float32 unless they are asked for
otherwise.
"""

from collections.abc import Sequence
from typing import Any

import numpy

from nnc import linalg, nd
from nnc import np_random as random
from nnc.array_functions import index as indexing
from nnc.array_functions import shape as shapes
from nnc.array_functions.joining import split_v2
from nnc.arrays.array import NDArray, as_array
from nnc.errors import OptionError, ShapeError
from nnc.lowering.pass_specs import did_you_mean

__all__ = ["linalg", "random"]

ndarray = NDArray
set_printoptions = numpy.set_printoptions
split = split_v2
e, inf, nan, newaxis, pi = numpy.e, numpy.inf, numpy.nan, None, numpy.pi
bool_, float16, float32, float64 = numpy.bool_, numpy.float16, numpy.float32, numpy.float64
int8, int32, int64, uint8 = numpy.int8, numpy.int32, numpy.int64, numpy.uint8


def stack(arrays: Sequence[Any], axis: int = 0) -> NDArray:
    """The arrays along a new axis."""
    return nd.stack(shapes.listed("stack", arrays), axis=axis)


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """`x` where the condition is not 0, else `y`, all broadcast; without them, `nonzero`."""
    if x is None and y is None:
        return nd.nonzero(condition)
    if x is None or y is None:
        raise OptionError("where: expected both x and y, or neither of them")
    return indexing.where(condition, x, y)


def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> NDArray:
    """The elements at positions along an axis, or of all in one row."""
    data = as_array(a)
    return (
        data.reshape(-1).take(indices, 0, mode) if axis is None else data.take(indices, axis, mode)
    )


def pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> NDArray:
    """A border: one width, a pair (before, after), or a pair for each axis."""
    data = as_array(array)
    try:
        widths = numpy.broadcast_to(pad_width, (data.ndim, 2))
    except ValueError:
        raise ShapeError(
            f"pad: expected a width, a pair, or a pair for each of {data.ndim} axes, given "
            f"{pad_width!r}"
        ) from None
    return nd.pad(data, mode, widths.reshape(-1).tolist(), constant_values)


def genfromtxt(*args: Any, **options: Any) -> NDArray:
    """The numbers in a text file, with the arguments of NumPy's function."""
    return nd.array(numpy.genfromtxt(*args, **options))


def __getattr__(name: str) -> Any:
    """A function of `nnc.nd` that NumPy has, too."""
    known = [each for each in dir(nd) if each[0] != "_" and hasattr(numpy, each)]
    if name in known:
        return getattr(nd, name)
    hint = f"numpy.{name} takes x.asnumpy(), but there is no gradient"
    if not hasattr(numpy, name):
        hint = did_you_mean(name, known)
    raise AttributeError(f"module 'nnc.np' has no attribute '{name}'; {hint}")
