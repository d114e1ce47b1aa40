"""Checks of options that people give: each returns the value, or raises an `OptionError`.

`what` names who takes the option and the option, as in "Dense: units". The message also says
what was expected and what was given.
"""

import math
import numbers
from collections.abc import Iterable
from typing import Any

from nnc.errors import OptionError
from nnc.lowering.pass_specs import did_you_mean


def count(what: str, value: Any, least: int = 1) -> int:
    """An integer of at least `least`; numpy's integers are fine, booleans are not."""
    if is_count(value, least):
        return int(value)
    raise OptionError(f"{what}: expected an integer of at least {least}, given {value!r}")


def counts(what: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """An integer for each of `rank` axes; a single one counts for all."""
    given = tuple(value) if isinstance(value, tuple | list) else (value,) * rank
    if len(given) == rank and all(is_count(one, least) for one in given):
        return tuple(map(int, given))
    raise OptionError(
        f"{what}: expected an integer or {rank} of them, at least {least}, given {value!r}"
    )


def pair(what: str, value: Any, least: int = 1) -> tuple[int, int]:
    """An integer for both spatial axes, or one for each."""
    first, second = counts(what, value, 2, least)
    return first, second


def is_count(value: Any, least: int) -> bool:
    return type(value) is not bool and isinstance(value, numbers.Integral) and int(value) >= least


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


def is_number(value: Any) -> bool:
    kind = type(value)
    return kind is not bool and issubclass(kind, numbers.Real) and -math.inf < value < math.inf


def chosen(what: str, value: Any, known: Iterable[str]) -> str:
    """The name if it is one of `known`."""
    names = tuple(known)
    if value in names:
        return value
    raise OptionError(f"{what}: no '{value}'; {did_you_mean(str(value), names)}")
