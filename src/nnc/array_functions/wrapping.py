"""How methods and operations become functions of arrays and of what arrays are made of."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np

from nnc.arrays.array import NDArray, as_array
from nnc.checks import axes_of
from nnc.custom import label
from nnc.errors import OptionError
from nnc.recording.graph import Operation, next_serial
from nnc.recording.tracing import arrays_of

Options = ParamSpec("Options")
Result = TypeVar("Result")


def function(
    method: Callable[Concatenate[NDArray, Options], Result],
) -> Callable[Concatenate[Any, Options], Result]:
    """The method as a function that also takes what arrays are made of."""

    @functools.wraps(method)
    def wrapped(x: Any, *args: Options.args, **options: Options.kwargs) -> Result:
        return method(as_array(x), *args, **options)

    return wrapped


def reduction(method: Callable[..., NDArray]) -> Callable[..., NDArray]:
    """The method over axes as a function that with `exclude` goes over all other axes."""

    @functools.wraps(method)
    def wrapped(x: Any, axis: Any = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
        data = as_array(x)
        if exclude:
            given = axes_of(method.__name__, axis, data.ndim)
            axis = tuple(one for one in range(data.ndim) if one not in given)
        return method(data, axis, keepdims)

    return wrapped


def mxnet_function(call: Callable[..., Any]) -> Callable[..., Any]:
    """The function with what all of MXNet's functions of arrays take, besides their own arguments.

    `name` is what the IR calls the results, `out` an array that the result is written into.
    """
    given = inspect.signature(call).parameters.values()
    flags = {option.name for option in given if type(option.default) is bool}

    @functools.wraps(call)
    def wrapped(
        *args: Any, name: str | None = None, out: NDArray | None = None, **options: Any
    ) -> Any:
        since = 0 if name is None else next_serial()
        if not args or "rhs" in options:
            args = (*args, *operands(call, len(args), options))
        for flag in flags & options.keys():
            check_flag(f"{call.__name__}: {flag}", options[flag])
        result = call(*args, **options)
        if name is not None:
            label(arrays_of(name, result), name, since)
        return into(out, result)

    return wrapped


def check_flag(what: str, value: Any) -> None:
    """Raises for arrays, lists and texts, which are true whatever they say."""
    if isinstance(value, NDArray | np.ndarray):
        raise OptionError(f"{what}: expected True or False, given an array")
    if isinstance(value, list | tuple | str):
        raise OptionError(f"{what}: expected True or False, given {value!r:.60}")


FIRST = ("data", "lhs", "x", "a", "x1", "arr", "array", "seq")
SECOND = ("rhs", "y", "b", "x2")
"""What MXNet and NumPy call operands."""


def operands(call: Callable[..., Any], given: int, options: dict[str, Any]) -> list[Any]:
    """The first operands of a function, taken out of `options`, that are given by name."""
    own, taken = [*inspect.signature(call).parameters], list[Any]()
    for place, names in list(enumerate((FIRST, SECOND)))[given : len(own)]:
        known = (own[place], *(name for name in names if name not in own))
        found = [name for name in known if name in options]
        if not found or (place and own[place] not in SECOND):
            break
        taken.append(options.pop(found[0]))
    return taken


def unary(operation: Operation) -> Callable[[Any], NDArray]:
    """The operation on an array of any dtype."""

    def wrapped(x: Any) -> NDArray:
        return as_array(x).apply(operation)

    return named(wrapped, operation)


def real(operation: Operation) -> Callable[[Any], NDArray]:
    """The operation on an array of floats; others become float32."""

    def wrapped(x: Any) -> NDArray:
        return as_array(x).as_float().apply(operation)

    return named(wrapped, operation)


class Binary(Protocol):
    """A function of two arrays or numbers, whose result may be written into a third array."""

    def __call__(self, x: Any, y: Any, out: NDArray | None = None) -> NDArray: ...


def into(out: NDArray | None, result: NDArray) -> NDArray:
    """The result, or the array given for it, which it is written into."""
    if out is None:
        return result
    check_out(out)[:] = result
    return out


def check_out(out: Any) -> NDArray:
    if not isinstance(out, NDArray):
        raise OptionError(f"out: expected an array of nnc to write into, given {out!r}")
    return out


def binary(operation: Operation) -> Binary:
    """The operation on two arrays or numbers: one dtype, shapes broadcast."""

    def wrapped(x: Any, y: Any, out: NDArray | None = None) -> NDArray:
        first = x if isinstance(x, NDArray) else as_array(y)
        return into(out, first.combine(operation, x, y))

    return named(wrapped, operation)


Function = TypeVar("Function", bound=Callable[..., Any])


def named(wrapped: Function, operation: Operation) -> Function:
    """With the name and the formula of the operation."""
    wrapped.__name__ = wrapped.__qualname__ = operation.name
    wrapped.__doc__ = operation.emit.__doc__
    return wrapped
