"""A program as numbers: arguments drawn or given by name, results by name, at every level.

Names and logical shapes stay the same from the graph to the loops: at the graph level results are
returned, after bufferization they are arguments that were written; the memory order is what
`nnc.layout` says. So the results of two levels can be compared.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from xdsl.dialects.builtin import MemRefType, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute
from xdsl.utils.exceptions import DiagnosticException

from nnc.dialects.interpret import run
from nnc.dialects.meaning.formulas import DTYPES
from nnc.lowering.nn_derive import PREPARE
from nnc.lowering.program import Program, Result

Array = np.ndarray[Any, np.dtype[Any]]


LARGEST = 2**31
"""Elements of an argument that a run is given."""


class ProgramError(DiagnosticException):
    """A module that cannot be run as asked; the text says why."""


@dataclass(frozen=True)
class Argument:
    """One argument of a program: its name and role, and its logical shape."""

    name: str
    role: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    layout: tuple[int, ...] | None
    """After `nn-layout`: memory dimension i holds logical dimension `layout[i]`."""

    def to_memory(self, array: Array) -> Array:
        return array if self.layout is None else np.ascontiguousarray(array.transpose(self.layout))

    def from_memory(self, array: Array) -> Array:
        return array if self.layout is None else array.transpose(np.argsort(self.layout))


def entry(module: ModuleOp, name: str | None = None) -> Program:
    """The function called `name`, or else the only one, or else `main`."""
    functions = {
        op.sym_name.data: op
        for op in module.ops
        if isinstance(op, FuncOp) and not op.is_declaration
    }
    if name is None:
        name = next(iter(functions)) if len(functions) == 1 else "main"
    if name not in functions:
        known = ", ".join(f"@{one}" for one in functions) or "none"
        raise ProgramError(f"the module has no function @{name}; it has {known}")
    return Program(functions[name])


def saved_arguments(path: str) -> dict[str, Array]:
    """The arrays of an .npz file."""
    try:
        saved = np.load(path)
    except (ValueError, EOFError, BadZipFile):
        saved = None
    if not isinstance(saved, NpzFile):
        raise ProgramError(f"--inputs: {path} is not an .npz file, as numpy.savez writes it")
    return dict(saved)


def arguments(program: Program) -> list[Argument]:
    """What the program takes."""
    return [_argument(program, index) for index in range(len(program.block.args))]


def _argument(program: Program, index: int) -> Argument:
    type = program.block.args[index].type
    element, shape = element_and_shape(type)
    if element not in DTYPES:
        known = ", ".join(DTYPES)
        raise ProgramError(f"'{program.name(index)}' is {type}, expected elements of {known}")
    if min(shape, default=0) < 0 or prod(shape) > LARGEST:
        raise ProgramError(
            f"'{program.name(index)}' is {type}, expected sizes that are known and at most "
            f"{LARGEST} elements"
        )
    layout = program.layout(index)
    if layout is not None:
        shape = tuple(shape[layout.index(dimension)] for dimension in range(len(shape)))
    role = "arena" if "nnc.arena" in program.attributes(index) else program.role(index)
    return Argument(program.name(index), role, np.dtype(DTYPES[element]), shape, layout)


def element_and_shape(type: Attribute) -> tuple[str, tuple[int, ...]]:
    """The element type's name and the shape; a scalar has none."""
    if isinstance(type, TensorType | MemRefType):
        return str(type.get_element_type()), type.get_shape()
    return str(type), ()


def draw(argument: Argument, seed: int) -> Array:
    """A value that depends on the name and the seed only.

    Labels and indices are 0 or 1, valid wherever there are two classes. State and scalars are
    positive: variances, step counts and rates are.
    """
    if argument.role in ("output", "arena"):
        return np.zeros(argument.shape, argument.dtype)
    random = np.random.default_rng([seed, zlib.crc32(argument.name.encode())])
    positive = argument.role in ("state", "scalar")
    if argument.dtype.kind in "iub":
        values = random.integers(0, 2, argument.shape) + positive
    elif positive:
        values = random.uniform(0.1, 1, argument.shape)
    else:
        values = random.standard_normal(argument.shape)
    return np.asarray(values, argument.dtype)


def evaluate(
    module: ModuleOp,
    seed: int = 0,
    given: Mapping[str, Array] | None = None,
    name: str | None = None,
) -> dict[str, Array]:
    """The results by name, in logical shape; tied results have the name of their argument.

    Derived parameters that are not given are what `@prepare` makes.
    """
    program = entry(module, name)
    slots = arguments(program)
    if program.function.sym_name.data != PREPARE and _has_function(module, PREPARE):
        given = {**evaluate(module, seed, given, PREPARE), **(given or {})}
    values = [_value(slot, seed, given or {}) for slot in slots]
    returned = run(module, values, program.function.sym_name.data)
    if returned:
        pairs = zip(program.results(), returned, strict=True)
        return dict(_named(result, slots, value) for result, value in pairs)
    return {
        slot.name: slot.from_memory(value)
        for slot, value in zip(slots, values, strict=True)
        if slot.role != "arena"
    }


def _has_function(module: ModuleOp, name: str) -> bool:
    return any(isinstance(op, FuncOp) and op.sym_name.data == name for op in module.ops)


def _named(result: Result, slots: list[Argument], value: Array) -> tuple[str, Array]:
    """A returned value's name and logical form."""
    if result.tied is None:
        return result.name, value
    slot = slots[result.tied]
    return slot.name, slot.from_memory(value)


def _value(slot: Argument, seed: int, given: Mapping[str, Array]) -> Array:
    if slot.name not in given:
        return slot.to_memory(draw(slot, seed))
    value = given[slot.name]
    if value.shape != slot.shape:
        raise ProgramError(f"'{slot.name}' has shape {slot.shape}, given {value.shape}")
    return slot.to_memory(np.array(value, slot.dtype))
