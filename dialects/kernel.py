"""Kernels: what one launch computes, and the launches of the host program.

* `kernel.group`   ops that will become one kernel, isolated, still at their place in the graph
* `kernel.func`    one distinct kernel, shared by all its launches; carries its `strategy`
* `kernel.launch`  runs a kernel: on tensors with results, after bufferization on buffers
* `kernel.call`    calls a private micro-kernel on parts of buffers
* `kernel.return`  ends a group or a kernel

After bufferization the arguments of a kernel are its `ins`, then its `outs`, then its `inouts`.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    DenseArrayBase,
    DictionaryAttr,
    FunctionType,
    IndexType,
    IntAttr,
    IntegerType,
    MemRefType,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    i32,
)
from xdsl.ir import Attribute, Block, Dialect, Operation, ParametrizedAttribute, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_attr_definition,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import AttrParser, Parser
from xdsl.printer import Printer
from xdsl.traits import (
    EffectInstance,
    IsolatedFromAbove,
    IsTerminator,
    MemoryEffect,
    MemoryEffectKind,
    MemoryReadEffect,
    MemoryWriteEffect,
    Pure,
    RecursiveMemoryEffect,
    SymbolOpInterface,
    SymbolTable,
)
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.buffer import type_of
from nnc.dialects.flat import FlatOp, op_definition
from nnc.dialects.subscript import parse_subscript, print_subscript


@irdl_attr_definition
class StrategyAttr(ParametrizedAttribute):
    """The algorithm a kernel uses, and its parameters: `#kernel.strategy<gemm {tile = [6, 64]}>`.

    Parameters are integers, strings, or lists of integers.
    """

    name = "kernel.strategy"
    algorithm: StringAttr
    settings: DictionaryAttr

    @staticmethod
    def of(algorithm: str, **parameters: "int | str | Sequence[int]") -> "StrategyAttr":
        values = {key: _encode(value) for key, value in parameters.items()}
        return StrategyAttr(StringAttr(algorithm), DictionaryAttr(values))

    def value(self, key: str) -> "int | str | tuple[int, ...]":
        """The setting `key`; a `KeyError` where the strategy has none."""
        return _decode(self.settings.data[key])

    def integer(self, key: str) -> int:
        return cast(int, self.value(key))

    def integers(self, key: str) -> tuple[int, ...]:
        return cast(tuple[int, ...], self.value(key))

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            algorithm = parser.parse_identifier()
            parameters = parser.parse_comma_separated_list(
                parser.Delimiter.BRACES, lambda: _parse_parameter(parser)
            )
        return [StringAttr(algorithm), DictionaryAttr(dict(parameters))]

    def print_parameters(self, printer: Printer) -> None:
        entries = (
            f"{key} = {_print_value(_decode(value))}" for key, value in self.settings.data.items()
        )
        printer.print_string(f"<{self.algorithm.data} {{{', '.join(entries)}}}>")


def _encode(value: "int | str | Sequence[int]") -> Attribute:
    if isinstance(value, int):
        return IntAttr(value)
    if isinstance(value, str):
        return StringAttr(value)
    return ArrayAttr(map(IntAttr, value))


def _decode(value: Attribute) -> "int | str | tuple[int, ...]":
    if isinstance(value, IntAttr | StringAttr):
        return value.data
    return tuple(item.data for item in cast(ArrayAttr[IntAttr], value))


def _print_value(value: "int | str | tuple[int, ...]") -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _parse_parameter(parser: AttrParser) -> tuple[str, Attribute]:
    key = parser.parse_identifier()
    parser.parse_punctuation("=")
    if (text := parser.parse_optional_str_literal()) is not None:
        return key, StringAttr(text)
    if (number := parser.parse_optional_integer(allow_boolean=False)) is not None:
        return key, IntAttr(number)
    return key, _encode(
        parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_integer)
    )


@op_definition
class ReturnOp(FlatOp):
    """Ends a group or a kernel with its results."""

    name = "kernel.return"
    values = var_operand_def()
    traits = traits_def(IsTerminator(), Pure())
    assembly_format = "attr-dict ($values^ `:` type($values))?"

    def __init__(self, values: Sequence[SSAValue] = ()):
        super().__init__(values)


@op_definition
class GroupOp(FlatOp):
    """Ops that become one kernel; what the body reads is what the group is passed."""

    name = "kernel.group"
    inputs = var_operand_def()
    outputs = var_result_def()
    body = region_def("single_block")
    traits = traits_def(IsolatedFromAbove(), RecursiveMemoryEffect())
    assembly_format = "`(` $inputs `)` `:` functional-type($inputs, $outputs) $body attr-dict"

    def __init__(self, inputs: Sequence[SSAValue], outputs: Sequence[Attribute], body: Region):
        super().__init__(inputs, outputs, regions=[body])

    def verify_(self) -> None:
        if tuple(self.body.block.arg_types) != tuple(self.inputs.types):
            raise VerifyException("kernel.group: its body must take the types it is passed")
        last = self.body.block.last_op
        if not isinstance(last, ReturnOp) or tuple(last.values.types) != tuple(self.outputs.types):
            raise VerifyException("kernel.group: its body must return the types of its results")


@op_definition
class FuncOp(IRDLOperation):
    """One distinct kernel. A private one is a micro-kernel, called by kernels only."""

    name = "kernel.func"
    sym_name = prop_def(SymbolNameConstraint())
    function_type = prop_def(FunctionType)
    sym_visibility = opt_prop_def(StringAttr)
    strategy = opt_prop_def(StrategyAttr)
    outs = opt_prop_def(IntAttr)
    """After bufferization: how many arguments before the inouts are written only."""
    inouts = opt_prop_def(IntAttr)
    """After bufferization: how many of the last arguments are read and written."""
    body = region_def("single_block")
    traits = traits_def(IsolatedFromAbove(), SymbolOpInterface())

    def __init__(
        self,
        name: str,
        type: FunctionType,
        body: Region,
        *,
        private: bool = False,
        strategy: StrategyAttr | None = None,
        outs: int | None = None,
        inouts: int | None = None,
    ):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "function_type": type,
                "sym_visibility": StringAttr("private") if private else None,
                "strategy": strategy,
                "outs": None if outs is None else IntAttr(outs),
                "inouts": None if inouts is None else IntAttr(inouts),
            },
            regions=[body],
        )

    @property
    def private(self) -> bool:
        return self.sym_visibility is not None

    @property
    def block(self) -> Block:
        return self.body.block

    def access(self, argument: int) -> str:
        """How a bufferized kernel uses an argument: "in", "out" or "inout"."""
        count = len(self.block.args)
        inouts = self.inouts.data if self.inouts else 0
        outs = self.outs.data if self.outs else 0
        if argument >= count - inouts:
            return "inout"
        return "out" if argument >= count - inouts - outs else "in"

    def verify_(self) -> None:
        if tuple(self.block.arg_types) != tuple(self.function_type.inputs):
            raise VerifyException(f"kernel.func @{self.sym_name.data}: arguments and type differ")
        last = self.block.last_op
        if not isinstance(last, ReturnOp):
            raise VerifyException(f"kernel.func @{self.sym_name.data}: must end in kernel.return")
        if tuple(last.values.types) != tuple(self.function_type.outputs):
            raise VerifyException(
                f"kernel.func @{self.sym_name.data}: returns "
                f"({', '.join(map(str, last.values.types))}), declared "
                f"({', '.join(map(str, self.function_type.outputs))})"
            )

    def print(self, printer: Printer) -> None:
        printer.print_string(" private " if self.private else " ")
        printer.print_symbol_name(self.sym_name.data)
        printer.print_string("(")
        printer.print_list(self.block.args, printer.print_block_argument)
        printer.print_string(")")
        if self.function_type.outputs.data:
            printer.print_string(" -> (")
            printer.print_list(self.function_type.outputs.data, printer.print_attribute)
            printer.print_string(")")
        for key in ("outs", "inouts"):
            value = self.properties.get(key)
            if isinstance(value, IntAttr) and value.data:
                printer.print_string(f" {key} {value.data}")
        if self.strategy is not None:
            printer.print_string(" strategy ")
            printer.print_attribute(self.strategy)
        if self.attributes:
            printer.print_op_attributes(self.attributes, print_keyword=True)
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False, print_empty_block=False)

    @classmethod
    def parse(cls, parser: Parser) -> "FuncOp":
        private = parser.parse_optional_keyword("private") is not None
        name = parser.parse_symbol_name().data
        arguments = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_argument)
        outputs: list[Attribute] = []
        if parser.parse_optional_punctuation("->"):
            outputs = list(
                parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_type)
            )
        outs = parser.parse_integer() if parser.parse_optional_keyword("outs") else None
        inouts = parser.parse_integer() if parser.parse_optional_keyword("inouts") else None
        strategy = None
        if parser.parse_optional_keyword("strategy"):
            strategy = cast(StrategyAttr, parser.parse_attribute())
        attributes = parser.parse_optional_attr_dict_with_keyword()
        body = parser.parse_region(arguments)
        type = FunctionType.from_lists([a.type for a in arguments], outputs)
        op = cls(name, type, body, private=private, strategy=strategy, outs=outs, inouts=inouts)
        if attributes is not None:
            op.attributes |= attributes.data
        return op


class _LaunchEffects(MemoryEffect):
    """On tensors a launch is pure; on buffers it reads and writes."""

    @classmethod
    def get_effects(cls, op: Operation) -> set[EffectInstance]:
        assert isinstance(op, LaunchOp)
        effects: set[EffectInstance] = set()
        if not op.on_tensors:
            effects = {
                EffectInstance(MemoryEffectKind.READ),
                EffectInstance(MemoryEffectKind.WRITE),
            }
        return effects


@lru_cache(maxsize=1024)
def symbol(name: str) -> SymbolRefAttr:
    """A reference to a kernel; programs have many to each."""
    return SymbolRefAttr(name)


@lru_cache(maxsize=1024)
def segments(*sizes: int) -> DenseArrayBase[IntegerType]:
    """How many operands there are of each name."""
    return DenseArrayBase.from_list(i32, sizes)


@op_definition
class LaunchOp(FlatOp):
    """Runs kernel `callee`. On tensors: `ins` give `outputs`. On buffers there are no results."""

    name = "kernel.launch"
    callee = prop_def(SymbolRefAttr)
    ins = var_operand_def()
    outs = var_operand_def(MemRefType)
    inouts = var_operand_def(MemRefType)
    outputs = var_result_def()
    traits = traits_def(_LaunchEffects())
    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    assembly_format = (
        "$callee (`ins` `(` $ins^ `:` type($ins) `)`)? (`outs` `(` $outs^ `:` type($outs) `)`)? "
        "(`inouts` `(` $inouts^ `:` type($inouts) `)`)? (`->` type($outputs)^)? attr-dict"
    )

    def __init__(
        self,
        callee: str,
        ins: Sequence[SSAValue],
        outs: Sequence[SSAValue] = (),
        inouts: Sequence[SSAValue] = (),
        results: Sequence[Attribute] = (),
    ):
        sizes = segments(len(ins), len(outs), len(inouts))
        super().__init__(
            [*ins, *outs, *inouts],
            results,
            {"callee": symbol(callee), "operandSegmentSizes": sizes},
        )

    @property
    def on_tensors(self) -> bool:
        return bool(self.outputs)

    def kernel(self) -> FuncOp:
        """The kernel this launches."""
        found = SymbolTable.lookup_symbol(self, self.callee)
        if not isinstance(found, FuncOp):
            raise VerifyException(f"kernel.launch: there is no kernel {self.callee}")
        return found


@op_definition
class CallOp(FlatOp):
    """Calls a private micro-kernel on parts of buffers that start at a subscript each."""

    name = "kernel.call"
    callee = prop_def(SymbolRefAttr)
    buffers = var_operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    maps = prop_def(ArrayAttr[AffineMapAttr])
    """One per buffer, over all `indices`."""
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())
    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def __init__(
        self,
        callee: str,
        buffers: Sequence[SSAValue],
        indices: Sequence[SSAValue],
        maps: Sequence[AffineMap],
    ):
        super().__init__(
            [*buffers, *indices],
            properties={
                "callee": symbol(callee),
                "maps": ArrayAttr(map(AffineMapAttr, maps)),
                "operandSegmentSizes": segments(len(buffers), len(indices)),
            },
        )

    def verify_(self) -> None:
        if len(self.maps) != len(self.buffers):
            raise VerifyException("kernel.call: one subscript per buffer is expected")
        for buffer, map in zip(self.buffers, self.maps, strict=True):
            if len(map.data.results) != type_of(buffer).get_num_dims():
                raise VerifyException(
                    f"kernel.call: {len(map.data.results)} subscripts for {buffer.type}"
                )

    def print(self, printer: Printer) -> None:
        printer.print_string(f" @{self.callee.string_value()}(")
        printer.print_list(
            list(zip(self.buffers, self.maps, strict=True)),
            lambda pair: self._print_part(printer, *pair),
        )
        printer.print_string(") : ")
        printer.print_list(self.buffers.types, printer.print_attribute)

    def _print_part(self, printer: Printer, buffer: SSAValue, map: AffineMapAttr) -> None:
        printer.print_ssa_value(buffer)
        print_subscript(printer, map.data, self.indices)

    @classmethod
    def parse(cls, parser: Parser) -> "CallOp":
        callee = parser.parse_symbol_name().data
        parts = parser.parse_comma_separated_list(
            parser.Delimiter.PAREN,
            lambda: (parser.parse_unresolved_operand(), parse_subscript(parser)),
        )
        parser.parse_punctuation(":")
        types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
        buffers = [parser.resolve_operand(b, t) for (b, _), t in zip(parts, types, strict=True)]
        indices = list(dict.fromkeys(value for _, (_, values) in parts for value in values))
        maps = [_over(map, values, indices) for _, (map, values) in parts]
        return cls(callee, buffers, indices, maps)


def _over(map: AffineMap, values: Sequence[SSAValue], indices: Sequence[SSAValue]) -> AffineMap:
    """The map with its dimensions renumbered to positions in `indices`."""
    dimensions = [AffineExpr.dimension(indices.index(value)) for value in values]
    return map.replace_dims_and_symbols(dimensions, [], len(indices), 0)


Kernel = Dialect("kernel", [GroupOp, FuncOp, LaunchOp, CallOp, ReturnOp], [StrategyAttr])
