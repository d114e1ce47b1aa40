"""nnc beside what MXNet 1.9.1 gives for functions of arrays: `functions.params`, see README.md.

A sum of all elements has no axes in nnc, as in NumPy and MXNet 2, and one in MXNet 1.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mxnet_functions import DIFFERENT, DIFFERENT_GRADIENTS, LINES, evaluated, gradient

import nnc
from nnc.errors import GradientError
from nnc.gluon import files

RECORDED = files.load(Path(__file__).with_name("functions.params"))


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


GRADIENT = "gradient of "
WITH_GRADIENT = [name.removeprefix(GRADIENT) for name in RECORDED if name.startswith(GRADIENT)]


def close(found: Any, expected: Any) -> bool:
    scale = max(float(np.max(np.abs(expected))), 1e-3)
    return bool(np.max(np.abs(found.reshape(expected.shape) - expected)) <= 1e-5 * scale)


def test_the_recorded_lines_are_these() -> None:
    assert [name for name in RECORDED if not name.startswith(GRADIENT)] == LINES


@pytest.mark.parametrize("line", LINES)
def test_a_function_gives_what_mxnet_gives(line: str) -> None:
    found, expected = evaluated(nnc, line), RECORDED[line]
    assert found.shape == expected.shape or (found.shape, expected.shape) == ((), (1,))
    assert close(found, expected) == (line not in DIFFERENT)


@pytest.mark.parametrize("line", WITH_GRADIENT)
def test_its_gradient_is_that_of_mxnet(line: str) -> None:
    """Which is 0 where nnc says that there is none."""
    expected = RECORDED[GRADIENT + line]
    try:
        found = gradient(nnc, line)
    except GradientError:
        found = np.zeros_like(expected)
    assert close(found, expected) == (line not in DIFFERENT_GRADIENTS)
