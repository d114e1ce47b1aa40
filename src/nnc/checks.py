"""Checks of options that people give: each returns the value, or raises an `OptionError`.

`what` names who takes the option and the option, as in "Dense: units". The message also says
what was expected and what was given.
"""

import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray as NumpyArray

from nnc.dtypes import numeric
from nnc.errors import IndexingError, OptionError, ShapeError
from nnc.lowering.pass_specs import did_you_mean


def count(what: str, value: Any, least: int = 1) -> int:
    """An integer of at least `least`; numpy's integers are fine, booleans are not."""
    if is_count(value, least):
        return int(value)
    raise OptionError(f"{what}: expected an integer of at least {least}, given {value!r}")


def integer(what: str, value: Any) -> int:
    """An integer of any sign, of 32 bits."""
    if is_count(value, -(2**31)) and value < 2**31:
        return int(value)
    limit = " of 32 bits" if isinstance(value, numbers.Integral) else ""
    raise OptionError(f"{what}: expected an integer{limit}, given {value!r}")


def integers(what: str, values: Any) -> list[int]:
    """A list of integers of any sign."""
    if isinstance(values, list | tuple | np.ndarray) and np.ndim(values) == 1:
        return [integer(what, one) for one in values]
    raise OptionError(f"{what}: expected a list of integers, given {values!r}")


def matrix(what: str, shape: tuple[int, ...]) -> None:
    """Raises unless there are two axes."""
    if len(shape) != 2:
        raise ShapeError(f"{what}: expected a matrix, given shape {shape}")


def counts(what: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """An integer for each of `rank` axes; a single one counts for all."""
    given = tuple(value) if isinstance(value, tuple | list) else (value,) * rank
    if len(given) == rank and all(is_count(one, least) for one in given):
        return tuple(map(int, given))
    raise OptionError(
        f"{what}: expected an integer or {rank} of them, at least {least}, given {value!r}"
    )


def sizes_of(what: str, shape: Any, least: int = 0) -> tuple[int, ...]:
    """A shape: a single integer means one axis."""
    given = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if all(is_count(one, least) for one in given):
        return tuple(map(int, given))
    raise ShapeError(f"{what}: expected sizes of at least {least}, given {shape!r}")


def axes_of(what: str, axis: Any, rank: int) -> tuple[int, ...]:
    """The axes counted from 0, in order; None means all."""
    return tuple(range(rank) if axis is None else sorted(listed_axes(what, axis, rank)))


def listed_axes(what: str, axis: Any, rank: int) -> list[int]:
    """The axes counted from 0 as they are listed, each once."""
    given = axis if isinstance(axis, tuple | list) else [axis]
    axes = [axis_of(what, one, rank) for one in given]
    if len(set(axes)) < len(axes):
        raise ShapeError(f"{what}: an axis is there twice, given {axis}")
    return axes


def two_axes(what: str, axes: Any, rank: int) -> tuple[int, int]:
    """Two different axes, counted from 0."""
    if not isinstance(axes, tuple | list) or len(axes) != 2:
        raise ShapeError(f"{what}: expected two axes, given {axes!r}")
    first, second = listed_axes(what, axes, rank)
    return first, second


def axis_of(what: str, axis: Any, rank: int) -> int:
    """One axis, counted from 0."""
    if isinstance(axis, tuple | list) or axis is None:
        raise ShapeError(f"{what}: expected one axis, given {axis!r}")
    if not is_count(axis, -rank) or axis >= rank:
        raise ShapeError(f"{what}: axis {axis!r} of an array with {rank} axes")
    return int(axis) % rank


def elements(what: str, shape: tuple[int, ...], axis: Any) -> None:
    """Raises unless there is an element along the axes."""
    if any(shape[one] == 0 for one in axes_of(what, axis, len(shape))):
        raise ShapeError(f"{what}: an array of shape {shape} has no elements along axis {axis}")


UNSIGNED = {np.dtype(f"int{bits}"): np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)}


def indices(
    what: str,
    known: NumpyArray[Any],
    size: int,
    error: type[IndexingError],
    source: str = "given",
    where: str = "",
) -> None:
    """Raises unless the numbers are whole and go from 0 to `size` - 1."""
    if not known.size:
        return
    unsigned = UNSIGNED.get(known.dtype)
    if unsigned is not None:
        # What is below 0 is largest as an unsigned number; argmax is faster than max.
        seen = known.view(unsigned)
        inside = seen.item(seen.argmax()) < size
    else:
        if known.dtype.kind == "f" and (odd := known[known != np.trunc(known)]).size:
            raise error(f"{what} are whole numbers, {source} {odd[0]}{where}")
        inside = known.item(known.argmin()) > -1 and known.item(known.argmax()) < size
    if not inside:
        found = f"{known.min()} to {known.max()}{where}"
        raise error(f"{what} go from 0 to {size - 1}, {source} {found}")


def is_count(value: Any, least: int) -> bool:
    """An integer of at least `least`, which 64 bits hold."""
    whole = type(value) is not bool and isinstance(value, numbers.Integral)
    return whole and least <= int(value) < 2**63


def number(
    what: str,
    value: Any,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """A finite number, at least `least` and at most `most`, or above and below bounds."""
    if is_number(value) and least <= value <= most and above < value < below:
        return float(value)
    named = {"at least": least, "at most": most, "above": above, "below": below}
    bounds = " and".join(f" {word} {b:g}" for word, b in named.items() if math.isfinite(b))
    raise OptionError(f"{what}: expected a number{bounds}, given {value!r}")


def one_number(what: str, value: Any, dtype: object) -> Any:
    """A number, or an array of one, that an array of this dtype can hold."""
    given = numeric(value, dtype)
    if given.size != 1:
        raise OptionError(f"{what}: expected a number, given an array of shape {given.shape}")
    return given.item()


def is_number(value: Any) -> bool:
    kind = type(value)
    return kind is not bool and issubclass(kind, numbers.Real) and -math.inf < value < math.inf


def bound(what: str, value: Any, without: float) -> float:
    """A number, which may be infinite; None means `without`."""
    if value is None or (isinstance(value, numbers.Real) and math.isinf(value)):
        return without if value is None else float(value)
    return number(what, value)


def function(what: str, value: Any) -> Any:
    """Something that can be called."""
    if callable(value):
        return value
    raise OptionError(f"{what}: expected a function, given {value!r}")


def chosen(what: str, value: Any, known: Iterable[str]) -> str:
    """The name if it is one of `known`."""
    names = tuple(known)
    if isinstance(value, str) and value in names:
        return value
    raise OptionError(f"{what}: no '{value}'; {did_you_mean(str(value), names)}")
