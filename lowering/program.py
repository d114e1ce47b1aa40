"""The program: the function `main`, what its arguments are for and what its results replace.

The attributes are those of docs/design.md: `nnc.name`, `nnc.role`, `nnc.layout`, `nnc.derived` of
an argument, `nnc.tied` and `nnc.outputs` of the function. A hand-written program may leave them
out: arguments are then inputs, results are outputs.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DictionaryAttr,
    FileLineColLoc,
    FunctionType,
    ModuleOp,
    ShapedType,
    StringAttr,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from nnc.dialects.syntax import array, integers

Attributes = Mapping[str, Attribute]


@dataclass(frozen=True)
class Result:
    """A result of the program: an output with a name, or the new value of argument `tied`."""

    value: SSAValue
    name: str = ""
    tied: int | None = None


@dataclass(frozen=True)
class Program:
    """`main`, its arguments and results."""

    function: func.FuncOp

    @staticmethod
    def of(module: ModuleOp) -> "Program":
        """The program of a module."""
        functions = [op for op in module.body.block.ops if isinstance(op, func.FuncOp)]
        for op in functions:
            if op.sym_name.data == "main":
                program = Program(op)
                program.check_static()
                return program
        known = ", ".join(f"@{op.sym_name.data}" for op in functions) or "no function"
        raise PassFailedException(
            f"the module has {known}, expected a func.func named @main: that is what is compiled"
        )

    def check_static(self) -> None:
        """Raises unless all sizes are known."""
        for index, argument in enumerate(self.block.args):
            type = argument.type
            if isinstance(type, ShapedType) and min(type.get_shape(), default=0) < 0:
                raise PassFailedException(
                    f"@main: argument '{self.name(index)}' is {type}; shapes must be static: "
                    "write the sizes, and compile once for each"
                )

    @property
    def block(self) -> Block:
        return self.function.body.block

    @property
    def end(self) -> func.ReturnOp:
        last = self.block.last_op
        assert isinstance(last, func.ReturnOp)
        return last

    def builder(self) -> Builder:
        """Builds before the return."""
        return Builder(InsertPoint.before(self.end))

    def attributes(self, argument: int) -> Attributes:
        """The attributes of an argument."""
        listed = self.function.arg_attrs
        return listed.data[argument].data if listed is not None else {}

    def text(self, argument: int, key: str, default: str) -> str:
        """The string attribute `key` of an argument."""
        value = self.attributes(argument).get(key)
        return value.data if isinstance(value, StringAttr) else default

    def name(self, argument: int) -> str:
        """What people call the argument: `dense0.weight`."""
        hint = self.block.args[argument].name_hint
        return self.text(argument, "nnc.name", hint or f"argument{argument}")

    def role(self, argument: int) -> str:
        """input, parameter, state, scalar, or output."""
        return self.text(argument, "nnc.role", "input")

    def layout(self, argument: int) -> tuple[int, ...] | None:
        """Memory dimension i holds logical dimension layout[i]; None where they are the same."""
        value = self.attributes(argument).get("nnc.layout")
        return integers(value) if isinstance(value, DenseArrayBase) else None

    def find(self, name: str) -> int:
        """The argument called `name`."""
        for index in range(len(self.block.args)):
            if self.name(index) == name:
                return index
        names = ", ".join(self.name(i) for i in range(len(self.block.args)))
        raise PassFailedException(f"@main has no argument '{name}'; its arguments are {names}")

    def set_attributes(self, attributes: Sequence[Attributes]) -> None:
        """Replaces the attributes of all arguments."""
        listed = ArrayAttr([DictionaryAttr(dict(one)) for one in attributes])
        self.function.properties["arg_attrs"] = listed

    def add_argument(
        self, type: Attribute, name: str, role: str, more: Attributes | None = None
    ) -> SSAValue:
        """A new last argument; `update_type` (or `set_results`) has to follow."""
        count = len(self.block.args)
        described = {"nnc.name": StringAttr(name), "nnc.role": StringAttr(role), **(more or {})}
        listed = self.function.arg_attrs
        before = [DictionaryAttr({})] * count if listed is None else listed.data
        self.function.properties["arg_attrs"] = ArrayAttr([*before, DictionaryAttr(described)])
        value = self.block.insert_arg(type, count)
        value.name_hint = identifier(name)
        return value

    def results(self) -> list[Result]:
        """What the program returns."""
        values = self.end.arguments
        tied = self.function.attributes.get("nnc.tied")
        ties = integers(tied) if isinstance(tied, DenseArrayBase) else (-1,) * len(values)
        listed = self.function.attributes.get("nnc.outputs")
        names = (
            [n.data for n in listed if isinstance(n, StringAttr)]
            if isinstance(listed, ArrayAttr)
            else []
        )
        untied = (names[i] if i < len(names) else f"output{i}" for i in itertools.count())
        return [
            Result(value, next(untied)) if tie < 0 else Result(value, tied=tie)
            for value, tie in zip(values, ties, strict=True)
        ]

    def set_results(self, results: Sequence[Result]) -> None:
        """Returns these instead."""
        end = self.end
        end.operands = [r.value for r in results]
        ties = array([-1 if r.tied is None else r.tied for r in results])
        self.function.attributes["nnc.tied"] = ties
        names = [StringAttr(r.name) for r in results if r.tied is None]
        self.function.attributes["nnc.outputs"] = ArrayAttr(names)
        self.update_type()

    def update_type(self) -> None:
        """Makes the function's type that of its block."""
        types = FunctionType.from_lists(self.block.arg_types, self.end.arguments.types)
        self.function.properties["function_type"] = types


def blocks(block: Block) -> Iterator[Block]:
    """The block and those of the ops in it, innermost first."""
    for op in block.ops:
        for region in op.regions:
            for inner in region.blocks:
                yield from blocks(inner)
    yield block


def identifier(name: str) -> str | None:
    """A name hint made of a user's name: `dense0.weight` becomes `dense0_weight`."""
    hint = "".join(c if c.isalnum() else "_" for c in name)
    return hint if SSAValue.is_valid_name(hint) else None


def place(op: Operation) -> str:
    """Where the user wrote an op: ` (train.py:41)`, or nothing."""
    match op.location:
        case FileLineColLoc(filename=file, line=line):
            return f" ({file.data}:{line.data})"
        case _:
            return ""
