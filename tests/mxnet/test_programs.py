"""nnc beside the numbers of MXNet 1.9.1 in `programs.params`: see README.md of this folder.

Run as a program, it compiles each training and prints how far the numbers are apart.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mxnet_programs import PROGRAMS, Program, run

import nnc
from nnc.gluon import files

RECORDED = files.load(Path(__file__).with_name("programs.params"))
TOLERANCE = 1e-5
SMALL = 1e-3
"""Differences are relative to the largest number of an array, or to this."""


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


def recorded(program: Program) -> dict[str, Any]:
    found = {name.partition("/"): array for name, array in RECORDED.items()}
    return {name: array for (first, _, name), array in found.items() if first == program.name}


def difference(program: Program) -> float:
    """The largest of all losses, rates, parameters, outputs and metrics."""
    found, expected = run(nnc, program), recorded(program)
    assert found.keys() == expected.keys()
    return max(relative(found[name], expected[name]) for name in expected)


def relative(found: Any, expected: Any) -> float:
    if found.shape != expected.shape:
        return float("inf")
    scale = max(float(np.max(np.abs(expected))), SMALL)
    return float(np.max(np.abs(found - expected))) / scale


def test_the_recorded_programs_are_these() -> None:
    assert {name.partition("/")[0] for name in RECORDED} == {p.name for p in PROGRAMS}
    assert len({p.name for p in PROGRAMS}) == len(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.name for program in PROGRAMS])
def test_the_numbers_are_those_of_mxnet(program: Program) -> None:
    """Where they are meant to be; where not, they differ indeed."""
    found = difference(program)
    assert found > TOLERANCE if program.differs else found <= TOLERANCE


def main() -> None:
    print("relative difference from MXNet 1.9.1 after 4 steps\n")
    for program in PROGRAMS:
        print(f"{program.name:20} {difference(program):8.1e}  {program.differs}")


if __name__ == "__main__":
    main()
