"""How programs are compiled and run; environment variables give the first values.

* `NNC_BACKEND=interpret` runs modules of level 1 with numpy: slow, and no compiler in between
* `NNC_CHECK_NANS=1` looks for NaN after each program, before anything is changed in place
* `NNC_TARGET` names the target, by default the machine's
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

from nnc.dialects.target import target_named
from nnc.errors import OptionError
from nnc.lowering.pass_specs import did_you_mean

BACKENDS = ("compile", "interpret")
PRECISIONS = ("float32", "bfloat16", "float16")


class Settings(NamedTuple):
    """Programs made under other settings are kept apart."""

    backend: str
    target: str | None
    check_nans: bool
    precision: str = "float32"
    """What products are computed in, see `nnc.amp`."""
    memory_budget: float | None = None
    """MiB that a call may need beyond its arguments; set by `compile_step`."""


def checked(settings: Settings) -> Settings:
    """The settings, if they exist."""
    if settings.backend not in BACKENDS:
        hint = did_you_mean(settings.backend, BACKENDS)
        raise OptionError(f"NNC_BACKEND, backend: no '{settings.backend}'; {hint}")
    if settings.precision not in PRECISIONS:
        hint = did_you_mean(settings.precision, PRECISIONS)
        raise OptionError(f"precision: no '{settings.precision}'; {hint}")
    if settings.target is not None:
        try:
            target = target_named(settings.target)
        except ValueError as error:
            raise OptionError(f"NNC_TARGET, target: {error}") from None
        if target.language != "c":
            raise OptionError(
                f"NNC_TARGET, target: expected a target of this machine's CPU, given "
                f"'{settings.target}'; arrays and parameters on nnc.gpu(0) are computed there"
            )
    return settings


current = checked(
    Settings(
        os.environ.get("NNC_BACKEND") or "compile",
        os.environ.get("NNC_TARGET") or None,
        os.environ.get("NNC_CHECK_NANS", "0") not in ("", "0"),
    )
)


@contextmanager
def with_memory_budget(budget: float | None) -> Generator[None]:
    """Programs made inside may need so many MiB."""
    global current
    before = current
    current = before._replace(memory_budget=budget)
    try:
        yield
    finally:
        current = before


def configure(
    *,
    backend: str | None = None,
    target: str | None = None,
    check_nans: bool | None = None,
    precision: str | None = None,
) -> Settings:
    """Change what is given, for programs made from now on; returns what was before."""
    global current
    before = current
    given = {
        "backend": backend,
        "target": target,
        "check_nans": check_nans,
        "precision": precision,
    }
    current = checked(before._replace(**{k: v for k, v in given.items() if v is not None}))
    return before
