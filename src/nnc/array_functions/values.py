"""Functions whose shapes depend on values, which are computed when they are called."""

from typing import Any

import numpy as np
from numpy.typing import NDArray as NumpyArray

from nnc.arrays.array import NDArray, array, as_array
from nnc.errors import TraceError
from nnc.recording.recorder import recorder

MASK = "a mask as an index gives as many elements as it is true for"


def known(what: str, x: NDArray) -> NumpyArray[Any]:
    """The values of an array, unless what is recorded runs again with others."""
    value, who = x.current, recorder.tracing or recorder.lasting
    constant = value.memory is not None and value.variable is None and not value.replaceable
    if who and not constant:
        raise TraceError(
            f"{who}: {what}, but the shapes of a program are known before its values; use "
            "nnc.nd.where(mask, x, 0)"
        )
    return x.host()


def nonzero(x: Any) -> tuple[NDArray, ...]:
    """Where the elements are that are not 0: for each axis their positions along it."""
    data = known("nonzero gives as many positions as there are", as_array(x))
    return tuple(array(at, "int32") for at in np.nonzero(data))


def flatnonzero(x: Any) -> NDArray:
    """The positions of the elements that are not 0, in the flattened array."""
    return nonzero(as_array(x).reshape(-1))[0]


def argwhere(x: Any) -> NDArray:
    """The positions of the elements that are not 0, one row for each."""
    data = known("argwhere gives as many positions as there are", as_array(x))
    return array(np.argwhere(data), "int32")


def unique(
    x: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> Any:
    """The different elements, or slices along an axis, in order; further results as in NumPy."""
    data = known("unique gives as many elements as differ", as_array(x))
    found = np.unique(data, return_index, return_inverse, return_counts, axis)
    if not isinstance(found, tuple):
        return array(found)
    values, *positions = found
    return (array(values), *(array(at, "int32") for at in positions))
