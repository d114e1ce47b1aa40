"""Functions over `nnc.nd` as operations with a name of their own."""

import functools
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

from nnc.arrays.array import NDArray
from nnc.errors import NncError
from nnc.recording.graph import next_serial
from nnc.recording.tracing import arrays_of

Given = ParamSpec("Given")
Result = TypeVar("Result")


def custom_op(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """The function as an operation: the IR and errors call its results by its name.

    It takes arrays and options, returns an array or several, and is made of `nnc.nd`, so gradients
    and code for every target follow from what it does. `autograd.Function` is for a gradient that
    does not follow.
    """

    @functools.wraps(function)
    def applied(*args: Given.args, **options: Given.kwargs) -> Result:
        first = next_serial()
        try:
            result = function(*args, **options)
        except NncError as error:
            arrays = ", ".join(repr(a.current.type) for a in args if isinstance(a, NDArray))
            error.args = (f"{function.__name__}({arrays}): {error}",)
            raise
        label(arrays_of(function.__name__, result), function.__name__, first)
        return result

    return applied


def label(results: Iterable[NDArray], name: str, since: int) -> None:
    """Call results by a name in the IR, if they were recorded since."""
    for array in results:
        node = array.current.node
        if node is not None and node.serial > since:
            node.label = name
