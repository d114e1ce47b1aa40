"""Gradients beside finite differences."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnc.arrays.array import NDArray, array, arrays_in
from nnc.checks import function as check_function
from nnc.checks import number
from nnc.dtypes import FLOATS, numeric
from nnc.errors import GradientError, OptionError
from nnc.recording.graph import Memory

STEP = 1e-5
"""Of the differences, relative to elements above 1."""


class Difference(NamedTuple):
    """Where a gradient is farthest from the differences."""

    error: float
    input: int
    element: tuple[int, ...]
    gradient: float
    expected: float


def check_gradient(function: Callable[..., Any], inputs: Any, tolerance: float = 1e-6) -> float:
    """Compares the gradients of `function(*inputs)` with central differences, all in float64.

    Inputs are an array or a list of them; those of integers are not differentiated. Results are
    weighted by numbers between 0.5 and 1.5. Returns the largest difference, relative to the
    largest element of its gradient if that is above 1; one above `tolerance` is an error that says
    where. Layers behave as in inference; the parameters of a network have to be float64, which
    `net.cast("float64")` makes them.
    """
    from nnc.functions import compile

    check_function("check_gradient: function", function)
    least = number("check_gradient: tolerance", tolerance, above=0)
    points = [precise(x) for x in (inputs if isinstance(inputs, list | tuple) else [inputs])]
    wrt = [i for i, point in enumerate(points) if point.dtype == np.float64]
    if not wrt:
        raise OptionError("check_gradient: expected an input of floats, given integers only")
    weights: list[Memory] = []

    def objective(*given: NDArray) -> NDArray:
        results = arrays_in("check_gradient: the function", function(*given))
        if not weights:
            random = np.random.default_rng(0)
            weights.extend(random.uniform(0.5, 1.5, r.shape) for r in results)
        pairs = zip(results, weights, strict=True)
        total, *rest = [(r * array(w, "float64")).sum() for r, w in pairs]
        return sum(rest, total)

    found = gradients(objective, points, wrt)
    value = compile(objective)
    worst = max(
        (differ(value, points, i, gradient) for i, gradient in zip(wrt, found, strict=True)),
        key=lambda difference: difference.error,
    )
    if not worst.error <= least:
        raise GradientError(
            f"check_gradient: input {worst.input}, element {worst.element}: the gradient is "
            f"{worst.gradient:.9g}, differences give {worst.expected:.9g}; relative to the "
            f"largest element they are {worst.error:.2g} apart, more than {least:g}"
        )
    return worst.error


def precise(given: Any) -> Memory:
    """An input in float64, or integers as they are."""
    values = given.asnumpy() if isinstance(given, NDArray) else numeric(given)
    return values.astype(np.float64) if values.dtype.name in FLOATS else values


def gradients(
    objective: Callable[..., NDArray], points: Sequence[Memory], wrt: Sequence[int]
) -> list[Memory]:
    """The recorded gradients by some of the inputs."""
    from nnc import autograd

    arrays = [array(point, point.dtype) for point in points]
    for i in wrt:
        arrays[i].attach_grad()
    with autograd.record(train_mode=False):
        total = objective(*arrays)
    found = autograd.grad(total, [arrays[i] for i in wrt])
    return [gradient.asnumpy() for gradient in arrays_in("check_gradient", found)]


def differ(
    value: Callable[..., Any], points: Sequence[Memory], i: int, gradient: Memory
) -> Difference:
    """The element where the gradient by input `i` is farthest from central differences."""
    expected = np.zeros_like(points[i])
    for position in np.ndindex(expected.shape):
        step = STEP * max(1.0, abs(float(points[i][position])))
        ends: list[float] = []
        for sign in (1, -1):
            moved = [np.array(point) for point in points]
            moved[i][position] += sign * step
            ends.append(value(*moved).item())
        expected[position] = (ends[0] - ends[1]) / (2 * step)
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    errors = np.abs(gradient - expected) / scale
    errors[np.isnan(errors)] = np.inf
    at = np.unravel_index(int(np.argmax(errors)), errors.shape) if errors.size else ()
    element = tuple(map(int, at))
    if not errors.size:
        return Difference(0.0, i, element, 0.0, 0.0)
    return Difference(
        float(errors[element]), i, element, float(gradient[element]), float(expected[element])
    )
