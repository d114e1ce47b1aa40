"""How the samples of a batch become arrays.

Each is a function from a list of samples to numpy arrays; the loader makes nnc's arrays of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray as NumpyArray

from nnc.arrays.array import NDArray
from nnc.checks import count, function
from nnc.errors import DtypeError, OptionError, ShapeError

Array = NumpyArray[Any]


def as_numpy(sample: Any) -> Array:
    return sample.asnumpy() if isinstance(sample, NDArray) else np.asarray(sample)


def stack_samples(samples: Sequence[Any]) -> Any:
    """Samples as one numpy array for each of their parts, or for each name in a dict."""
    if isinstance(samples[0], tuple | list):
        return [stack_samples(part) for part in parts_of("DataLoader", samples)]
    if isinstance(samples[0], dict):
        names = samples[0].keys()
        for other in samples:
            if not isinstance(other, dict) or other.keys() != names:
                given = sorted(other) if isinstance(other, dict) else type(other).__name__
                raise ShapeError(f"DataLoader: samples of a batch have {sorted(names)} and {given}")
        return {name: stack_samples([s[name] for s in samples]) for name in names}
    arrays = [as_numpy(sample) for sample in samples]
    shapes = {a.shape for a in arrays}
    if len(shapes) > 1:
        raise ShapeError(
            f"DataLoader: the samples of a batch have shapes {sorted(shapes)}, expected one; "
            "bring them to one in transform, or give a batchify_fn that pads"
        )
    return np.stack(arrays)


def parts_of(what: str, samples: Sequence[Any]) -> list[tuple[Any, ...]]:
    """For each part, what the samples have."""
    parts = {len(sample) if isinstance(sample, tuple | list) else 0 for sample in samples}
    if len(parts) > 1:
        raise ShapeError(f"{what}: samples of a batch have {sorted(parts)} parts each")
    return list(zip(*samples, strict=True))


class Stack:
    """Samples of one shape along a new first axis; of tuples, each part. What loaders do anyway."""

    def __init__(self, use_shared_mem: bool = False):
        pass

    def __call__(self, data: Sequence[Any]) -> Any:
        return stack_samples(data)


class Pad:
    """Samples filled up with `val` behind their elements to the largest size of each axis, stacked.

    With `round_to`, sizes are multiples of it, so that few shapes, and few programs, occur. Of
    tuples, each part.
    """

    def __init__(
        self,
        val: float = 0,
        dtype: object = None,
        round_to: int | None = None,
        use_shared_mem: bool = False,
    ):
        self._value = val
        self._dtype = dtype
        self._multiple = 1 if round_to is None else count("Pad: round_to", round_to)

    def __call__(self, data: Sequence[Any]) -> Any:
        if isinstance(data[0], tuple | list) and data[0] and not np.isscalar(data[0][0]):
            return [self(part) for part in parts_of("Pad", data)]
        arrays = [as_numpy(sample) for sample in data]
        ranks = {a.ndim for a in arrays}
        if len(ranks) > 1:
            raise ShapeError(f"Pad: samples have {sorted(ranks)} axes, expected one number of them")
        sizes = np.max([a.shape for a in arrays], axis=0).astype(int)
        shape = (len(arrays), *(size + -size % self._multiple for size in sizes))
        dtype: Any = self._dtype or np.result_type(*arrays)
        if np.dtype(dtype).kind in "OSU":
            raise DtypeError(f"Pad: expected numbers, given {data[0]!r:.40}; AsList keeps texts")
        padded: Any = np.empty(shape, dtype)
        self._fill(padded)
        for row, sample in zip(padded, arrays, strict=True):
            row[tuple(map(slice, sample.shape))] = sample
        return padded

    def _fill(self, padded: Array) -> None:
        """The value everywhere, if integers can be it."""
        with np.errstate(invalid="ignore"):
            value = np.asarray(self._value).astype(padded.dtype)
        if padded.dtype.kind in "iub" and value != self._value:
            raise OptionError(
                f"Pad: val {self._value} cannot be a number of {padded.dtype}; give another dtype"
            )
        padded[...] = value


class Append:
    """A list of the samples, each with a new axis at `batch_axis`, for samples of any shapes."""

    def __init__(self, expand: bool = True, batch_axis: int = 0, use_shared_mem: bool = False):
        self._axis = batch_axis if expand else None

    def __call__(self, data: Sequence[Any]) -> list[Array]:
        arrays = [as_numpy(sample) for sample in data]
        return arrays if self._axis is None else [np.expand_dims(a, self._axis) for a in arrays]


class AsList:
    """The samples as they are, in a list: names, texts."""

    def __call__(self, data: Sequence[Any]) -> list[Any]:
        return list(data)


class Group:
    """A function for each part of the samples: `Group(Pad(), Stack())`."""

    def __init__(self, fn: Any, *args: Callable[[Sequence[Any]], Any]):
        listed = fn if isinstance(fn, list | tuple) else (fn, *args)
        self._functions = [function("Group", one) for one in listed]

    def __call__(self, data: Sequence[Any]) -> list[Any]:
        if len(data[0]) != len(self._functions):
            raise OptionError(
                f"Group: {len(self._functions)} functions for samples of {len(data[0])} parts"
            )
        parts = parts_of("Group", data)
        return [fn(part) for fn, part in zip(self._functions, parts, strict=True)]


Tuple = Group
"""GluonNLP's name."""
