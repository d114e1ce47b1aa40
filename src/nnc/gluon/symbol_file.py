"""Programs that `export` wrote, read again: checked, for any number of samples, as operations."""

import functools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    Builtin,
    FloatAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
)
from xdsl.dialects.func import Func
from xdsl.ir import Attribute, SSAValue
from xdsl.parser import Parser
from xdsl.utils.exceptions import (
    DiagnosticException,
    ParseError,
    PassFailedException,
    VerifyException,
)

from nnc.dialects.nn.dialect import NN
from nnc.dialects.nn.structure import inline
from nnc.dialects.strings import unfinished_string
from nnc.errors import NncError, OptionError, ShapeError
from nnc.gluon.export import MODES, NAME, NEXT, extrapolated, transposed
from nnc.lowering.program import Program
from nnc.lowering.verify_dominance import VerifyDominancePass
from nnc.random import COUNTER, SEED
from nnc.recording.graph import Operation, Type, tensor_to_type, type_of
from nnc.runtime.cache import digest

Layout = tuple[int, ...] | None
ROLES = ("input", "parameter", "state", "scalar")
Number = int | float
REFUSED = (
    AssertionError, AttributeError, DiagnosticException, IndexError, KeyError, NncError,
    NotImplementedError, OverflowError, ParseError, PassFailedException, RecursionError, TypeError,
    ValueError, VerifyException,
)  # fmt: skip
"""What reading a text that nobody meant can raise."""


class Argument(NamedTuple):
    """An argument of a program: its logical type, and what a scalar is."""

    name: str
    role: str
    type: Type
    layout: Layout
    number: Number | None
    random: str
    draws: int
    below: int
    """What all elements have to be smaller than, or 0."""


class Instance(NamedTuple):
    """A program for one number of samples."""

    arguments: tuple[Argument, ...]
    operation: Operation
    outputs: int
    """Results behind these replace arguments."""
    tied: tuple[int, ...]


class Exported(NamedTuple):
    """A program for inputs as they were, and for one sample more where there may be more."""

    first: str
    second: str | None

    def of(self, shapes: Sequence[tuple[int, ...]]) -> Instance:
        """The program for inputs of these shapes; an error says what is expected."""
        return instance_of(self.text_for(shapes))

    def text_for(self, shapes: Sequence[tuple[int, ...]]) -> str:
        """The program for inputs with as many samples as these, as text."""
        if self.second is not None:
            expected = inputs(instance_of(self.first)), inputs(instance_of(self.second))
            for given, one, other in zip(shapes, *expected, strict=False):
                if one.type is not other.type and given:
                    more = given[0] - one.type.shape[0]
                    return extrapolated(self.first, self.second, more) or self.first
        return self.first


def inputs(instance: Instance) -> list[Argument]:
    return [argument for argument in instance.arguments if argument.role == "input"]


def programs_in(text: str) -> tuple[Exported, Exported]:
    """The programs of inference and training; an error says what is wrong with the text."""
    line = unfinished_string(text)
    if line is not None:
        raise OptionError(f"line {line}: a string does not end")
    module = parsed(text)
    known = {mode + suffix for mode in MODES for suffix in ("", NEXT)}
    parts: dict[str, str] = {}
    for function in module.body.block.ops:
        if not isinstance(function, func.FuncOp) or function.sym_name.data not in known:
            raise OptionError(f"expected functions {sorted(known)}, found {function.name}")
        check_ops(function)
        part = ModuleOp([named_main(function)])
        parts[function.sym_name.data] = str(part)
        instance_of(parts[function.sym_name.data])
    inference, training = (exported(parts.get(mode), parts.get(mode + NEXT)) for mode in MODES)
    if inference is None:
        raise OptionError("it has no function @main")
    return inference, training or inference


def named_main(function: func.FuncOp) -> func.FuncOp:
    """A copy of a function as the program of a module of its own."""
    copy = function.clone()
    copy.sym_name = StringAttr("main")
    return copy


def exported(first: str | None, second: str | None) -> Exported | None:
    """One program or two as what they stand for."""
    if first is None:
        return None
    if second is not None and (
        extrapolated(first, second, 1) != second
        or list(map(lasting, instance_of(first).arguments))
        != list(map(lasting, instance_of(second).arguments))
    ):
        raise OptionError("two of its programs differ in more than the number of samples")
    return Exported(first, second)


def lasting(argument: Argument) -> tuple[str, str, Type | None, Layout]:
    """What does not depend on the number of samples."""
    held = argument.role in ("parameter", "state")
    return argument.name, argument.role, argument.type if held else None, argument.layout


def check_ops(function: func.FuncOp) -> None:
    """Raises unless all ops are those of networks."""
    for op in function.walk():
        if op is not function and not op.name.startswith("nn.") and op.name != "func.return":
            raise OptionError(f"{op.name} does not belong into a network")


def parsed(text: str) -> ModuleOp:
    """A valid module of level 1."""
    context = Context()
    for dialect in (Builtin, Func, NN):
        context.load_dialect(dialect)
    try:
        module = Parser(context, text).parse_module()
        module.verify()
        VerifyDominancePass().apply(context, module)
        return module
    except REFUSED as error:
        raise OptionError(reason(error)) from None


def reason(error: Exception) -> str:
    """The line of a message that says what is wrong; the others show the place."""
    lines = [line.strip(" |^") for line in str(error).splitlines()]
    said = next((line for line in reversed(lines) if line.strip("-")), type(error).__name__)
    place = re.fullmatch(r"\S+:(\d+):\d+", lines[0]) if lines else None
    return said if place is None else f"line {place[1]}: {said}"


@functools.lru_cache(maxsize=64)
def instance_of(text: str) -> Instance:
    """A text as an operation whose operands are the arguments in their logical order."""
    module = parsed(text)
    try:
        program = Program.of(module)
        arguments = tuple(argument_of(program, i) for i in range(len(program.block.args)))
        results = program.results()
    except REFUSED as error:
        raise OptionError(reason(error)) from None
    ties = [result.tied for result in results]
    outputs = sum(tie is None for tie in ties)
    tied = tuple(tie for tie in ties[outputs:] if tie is not None)
    if len(tied) != len(ties) - outputs or any(tie >= len(arguments) for tie in tied):
        raise OptionError("its results are not outputs and then new values of arguments")
    names = [argument.name for argument in arguments]
    if len(set(names)) < len(names):
        raise OptionError("two of its arguments have one name")
    return Instance(arguments, operation_of(text, program, arguments), outputs, tied)


def argument_of(program: Program, index: int) -> Argument:
    """What is said of an argument, checked."""
    name, role, layout = program.name(index), program.role(index), program.layout(index)
    attributes = program.attributes(index)
    stored = program.block.args[index].type
    if not NAME.fullmatch(name) or role not in ROLES or not isinstance(stored, TensorType):
        raise OptionError(
            f"argument {index} is no array with a name and a role: {name!r}, {role!r}"
        )
    type = tensor_to_type(stored)
    if layout is not None:
        if sorted(layout) != list(range(len(type.shape))):
            raise OptionError(f"'{name}': layout {list(layout)} of {type}")
        type = type_of(tuple(type.shape[layout.index(d)] for d in range(len(layout))), type.dtype)
        layout = None if list(layout) == sorted(layout) else layout
    random = program.text(index, "nnc.random", "")
    number, draws, below = (
        number_in(attributes.get(f"nnc.{key}")) for key in ("value", "draws", "below")
    )
    if role == "scalar" and number is None and random not in (SEED, COUNTER):
        raise OptionError(f"'{name}' is a number without a value")
    return Argument(
        name, role, type, layout, number, random, max(int(draws or 1), 1), int(below or 0)
    )


def number_in(attribute: Attribute | None) -> Number | None:
    match attribute:
        case IntegerAttr():
            return attribute.value.data
        case FloatAttr():
            return float(attribute.value.data)
        case _:
            return None


def operation_of(text: str, program: Program, arguments: Sequence[Argument]) -> Operation:
    """The body of the program as an operation."""
    block, layouts = program.block, [argument.layout for argument in arguments]

    def symbol(b: Builder, *operands: Any) -> list[SSAValue]:
        stored = [transposed(b, x, layout) for x, layout in zip(operands, layouts, strict=True)]
        results = inline(block, stored, b)
        ties = [result.tied for result in program.results()]
        return [
            transposed(b, x, None if tie is None else inverse(layouts[tie]))
            for x, tie in zip(results, ties, strict=True)
        ]

    # What was generated for an operation is kept under the name of what emits it.
    symbol.__qualname__ = f"symbol of {digest(text)}"
    return Operation(symbol)


def inverse(layout: Layout) -> Layout:
    return None if layout is None else tuple(np.argsort(layout).tolist())


def check_types(instance: Instance, given: Sequence[Type], varies: bool) -> None:
    """Raises unless the program takes these arrays."""
    for argument, type in zip(instance.arguments, given, strict=True):
        if not argument.type.fits(type):
            hint = "" if varies else "; the network was exported for this shape only"
            raise ShapeError(
                f"SymbolBlock: '{argument.name}': expected {argument.type}, given {type}{hint}"
            )
