"""The host function of a module: its arguments as the runtime sees them, and its launches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
)
from xdsl.ir import Attribute, Operation, SSAValue

from nnc.codegen.artifact import Access, Argument, Role
from nnc.codegen.elements import DTYPES, kind
from nnc.codegen.errors import CodegenError
from nnc.dialects import buffer, kernel
from nnc.dialects.buffer import root, type_of
from nnc.dialects.syntax import integers


@dataclass(frozen=True)
class Host:
    """The host function, and what its argument attributes say."""

    function: func.FuncOp
    arguments: tuple[Argument, ...]
    values: tuple[SSAValue, ...]
    """The block arguments behind `arguments`."""
    arena: SSAValue | None
    arena_bytes: int

    @cached_property
    def argument_of(self) -> dict[SSAValue, Argument]:
        """The argument that a block argument is."""
        return dict(zip(self.values, self.arguments, strict=True))

    def launches(self) -> list[kernel.LaunchOp]:
        return [op for op in self.function.walk() if isinstance(op, kernel.LaunchOp)]


def host_of(module: ModuleOp) -> Host | None:
    """The function `main`; None in a module of kernels only."""
    for op in module.ops:
        if isinstance(op, func.FuncOp) and op.sym_name.data == "main":
            return _host(op)
    return None


def _host(function: func.FuncOp) -> Host:
    values = list(function.body.block.args)
    facts: list[Mapping[str, Attribute]] = [{} for _ in values]
    if function.arg_attrs is not None:
        facts = [attribute.data for attribute in function.arg_attrs]
    written = {root(value) for op in function.walk() for value in _written(op)}
    arena = next((v for v, f in zip(values, facts, strict=True) if "nnc.arena" in f), None)
    pairs = [(v, f) for v, f in zip(values, facts, strict=True) if v is not arena]
    return Host(
        function,
        tuple(_argument(value, given, value in written) for value, given in pairs),
        tuple(value for value, _ in pairs),
        arena,
        type_of(arena).get_shape()[0] if arena is not None else 0,
    )


def _argument(value: SSAValue, facts: Mapping[str, Attribute], written: bool) -> Argument:
    name = facts.get("nnc.name")
    role = _role(value, facts.get("nnc.role"))
    access: Access = "in"
    if written or role == "output":
        access = "out" if role == "output" else "inout"
    return Argument(
        name.data if isinstance(name, StringAttr) else value.name_hint or "argument",
        role,
        access,
        DTYPES[kind(value.type)],
        type_of(value).get_shape(),
        _layout(facts.get("nnc.layout")),
        _number(facts.get("nnc.value")),
    )


def _role(value: SSAValue, given: Attribute | None) -> Role:
    if given is None:
        return "input"
    for role in get_args(Role):
        if isinstance(given, StringAttr) and given.data == role:
            return role
    raise CodegenError(f"{value}: unknown nnc.role {given}, expected one of {get_args(Role)}")


def _layout(value: Attribute | None) -> tuple[int, ...] | None:
    return None if value is None else numbers(value)


def _number(value: Attribute | None) -> float | None:
    return value.value.data if isinstance(value, IntegerAttr | FloatAttr) else None


def numbers(value: Attribute) -> tuple[int, ...]:
    """The integers of an `[1, 0]` or `array<i64: 1, 0>` attribute."""
    if isinstance(value, DenseArrayBase):
        return integers(value)
    if isinstance(value, ArrayAttr):
        return tuple(item.value.data for item in value if isinstance(item, IntegerAttr))
    raise CodegenError(f"expected a list of integers, given {value}")


def _written(op: Operation) -> Sequence[SSAValue]:
    match op:
        case kernel.LaunchOp():
            return [*op.outs, *op.inouts]
        case buffer.CopyOp() | buffer.FillOp() | buffer.FillBorderOp():
            return [op.target]
        case _:
            return []
