"""A program as numbers: arguments drawn or given by name, results by name, at every level.

Names and logical shapes stay the same from the graph to the loops: at the graph level results are
returned, after bufferization they are arguments that were written, in the memory order that
`nnc.layout` says. So the results of two levels can be compared.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DictionaryAttr,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    StringAttr,
    TensorType,
)
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute
from xdsl.utils.exceptions import DiagnosticException

from nnc.dialects.interpret import run

Array = np.ndarray[Any, np.dtype[Any]]

DTYPES = {
    "f32": np.float32,
    "f64": np.float64,
    "i1": np.bool_,
    "i8": np.uint8,
    "i32": np.int32,
    "i64": np.int64,
}


class ProgramError(DiagnosticException):
    """A module that cannot be run as asked; the text says why."""


@dataclass(frozen=True)
class Argument:
    """One argument of a program: its name and role, and its logical shape."""

    name: str
    role: str
    dtype: type[np.generic]
    shape: tuple[int, ...]
    layout: tuple[int, ...] | None
    """After bufferization: memory dimension i holds logical dimension `layout[i]`."""

    def to_memory(self, array: Array) -> Array:
        return array if self.layout is None else np.ascontiguousarray(array.transpose(self.layout))

    def from_memory(self, array: Array) -> Array:
        return array if self.layout is None else array.transpose(np.argsort(self.layout))


def entry(module: ModuleOp, name: str | None = None) -> FuncOp:
    """The function called `name`, or else `main`, or else the only one."""
    functions = {
        op.sym_name.data: op
        for op in module.ops
        if isinstance(op, FuncOp) and not op.is_declaration
    }
    if name is None and len(functions) == 1:
        return next(iter(functions.values()))
    if (name or "main") not in functions:
        known = ", ".join(functions) or "none"
        raise ProgramError(f"no function @{name or 'main'} in the module; it has {known}")
    return functions[name or "main"]


def arguments(function: FuncOp) -> list[Argument]:
    """What the function takes, from its types and argument attributes."""
    attributes = list(function.arg_attrs or [])
    attributes += [DictionaryAttr({})] * (len(function.args) - len(attributes))
    return [
        _argument(index, type, values.data)
        for index, (type, values) in enumerate(
            zip(function.function_type.inputs, attributes, strict=True)
        )
    ]


def _argument(index: int, type: Attribute, values: Mapping[str, Attribute]) -> Argument:
    if not isinstance(type, TensorType | MemRefType):
        type = TensorType(type, [])
    element, shape = str(cast(Any, type).element_type), type.get_shape()
    if element not in DTYPES:
        raise ProgramError(f"argument {index} has elements of type {element}, expected {[*DTYPES]}")
    layout = _layout(values.get("nnc.layout")) if isinstance(type, MemRefType) else None
    if layout is not None:
        shape = tuple(shape[layout.index(dimension)] for dimension in range(len(shape)))
    role = "arena" if "nnc.arena" in values else _text(values.get("nnc.role"), "input")
    name = _text(values.get("nnc.name"), f"argument{index}")
    return Argument(name, role, DTYPES[element], shape, layout)


def _text(value: Attribute | None, default: str) -> str:
    return value.data if isinstance(value, StringAttr) else default


def _layout(value: Attribute | None) -> tuple[int, ...] | None:
    match value:
        case DenseArrayBase():
            return tuple(cast(Any, value).get_values())
        case ArrayAttr():
            return tuple(cast(IntegerAttr, item).value.data for item in value)
        case _:
            return None


def draw(argument: Argument, seed: int) -> Array:
    """A value that depends on the name and the seed only.

    Labels and indices are 0 or 1, valid wherever there are two classes. State and scalars are
    positive: variances, step counts and rates are.
    """
    if argument.role in ("output", "arena"):
        return np.zeros(argument.shape, argument.dtype)
    random = np.random.default_rng([seed, zlib.crc32(argument.name.encode())])
    positive = argument.role in ("state", "scalar")
    if np.issubdtype(argument.dtype, np.floating):
        values = random.uniform(0.1, 1, argument.shape) if positive else None
        values = random.standard_normal(argument.shape) if values is None else values
        return np.asarray(values, argument.dtype)
    return np.asarray(random.integers(0, 2, argument.shape) + positive, argument.dtype)


def evaluate(
    module: ModuleOp,
    seed: int = 0,
    given: Mapping[str, Array] | None = None,
    name: str | None = None,
) -> dict[str, Array]:
    """The results by name, in logical shape; tied results have the name of their argument."""
    function = entry(module, name)
    slots = arguments(function)
    values = [_value(slot, seed, given or {}) for slot in slots]
    returned = run(module, values, function.sym_name.data)
    if function.function_type.outputs.data:
        return dict(zip(_result_names(function, slots), returned, strict=True))
    return {
        slot.name: slot.from_memory(value)
        for slot, value in zip(slots, values, strict=True)
        if slot.role != "arena"
    }


def _value(slot: Argument, seed: int, given: Mapping[str, Array]) -> Array:
    if slot.name not in given:
        return slot.to_memory(draw(slot, seed))
    value = given[slot.name]
    if value.shape != slot.shape:
        raise ProgramError(f"'{slot.name}' has shape {slot.shape}, given {value.shape}")
    return slot.to_memory(np.array(value, slot.dtype))


def _result_names(function: FuncOp, slots: list[Argument]) -> list[str]:
    count = len(function.function_type.outputs)
    tied = _layout(function.attributes.get("nnc.tied")) or (-1,) * count
    named = function.attributes.get("nnc.outputs")
    outputs = (
        [cast(StringAttr, value).data for value in named] if isinstance(named, ArrayAttr) else []
    )
    outputs += [f"result{index}" for index in range(len(outputs), count)]
    free = iter(outputs)
    return [next(free) if index < 0 else slots[index].name for index in tied]
