"""Networks as files: the program that `forward` is, and its parameters.

`NAME-symbol.mlir` is a module of level 1. `@main` is inference for inputs as the network saw them,
`@training` what layers do in training where that is something else. Where all integers in a program
are linear in the number of samples, the first axis, `@main_next` and `@training_next` are the same
for one sample more, and the two make the program for any number.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from xdsl.builder import Builder
from xdsl.dialects import func
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, ModuleOp, StringAttr, f64, i64
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from nnc import autograd
from nnc.arrays.array import NDArray
from nnc.checks import count
from nnc.compilation.modules import leaf_attributes, stored_type
from nnc.dialects.nn.base import insert
from nnc.dialects.nn.shape import TransposeOp
from nnc.dialects.nn.structure import inline
from nnc.errors import NncError, OptionError
from nnc.gluon.atomic import Filename, write_whole
from nnc.gluon.block import Block as Network
from nnc.gluon.files import save
from nnc.lowering.program import Program, Result, identifier
from nnc.random import COUNTER, SEED, generator
from nnc.recording.graph import LeafSpec, Memory, Node, Scalar, Type, Value, leaf_spec, type_of
from nnc.recording.index_checks import choices_of
from nnc.recording.recorder import flush
from nnc.recording.tracing import Trace, emit_body, trace

NEXT = "_next"
NAME = re.compile(r"[\w.\-]+")
"""What arguments can be called."""
MODES = ("main", "training")
MORE = (2, 7)
"""For how many samples more the linear form is compared with the program itself."""
Form = Any
"""Types in lists and tuples, as the inputs were given."""


class Argument(NamedTuple):
    """What a program takes beside the inputs."""

    value: Value
    name: str
    role: str
    more: dict[str, Attribute]


class Traced(NamedTuple):
    """A program, its text, and the arrays that belong to it."""

    module: ModuleOp
    text: str
    arrays: dict[str, Memory]


def export(net: Network, path: Filename, epoch: int, form: Form) -> tuple[str, str]:
    """Writes program and parameters of a network that was called with inputs like `form`."""
    flush()
    inference, training = family(net, form, False), family(net, form, True)
    if not agree(inference[0].arrays, training[0].arrays):
        training = family(net, form, True, "training_constant")
    if [part.text for part in training] == [part.text for part in inference]:
        training = []
    arrays: dict[str, Memory] = {}
    functions: list[Operation] = []
    for mode, parts in zip(MODES, (inference, training), strict=True):
        for part, suffix in zip(parts, ("", NEXT), strict=False):
            arrays |= part.arrays
            functions.append(function_of(part.module, mode + suffix))
    symbol = f"{path}-symbol.mlir"
    parameters = f"{path}-{count('export: epoch', epoch, 0):04d}.params"
    save(parameters, arrays)
    write_whole(symbol, [str(ModuleOp(functions)).encode(), b"\n"])
    return symbol, parameters


def function_of(module: ModuleOp, name: str) -> func.FuncOp:
    """A copy of the only function of a module, under a name."""
    copy = Program.of(module).function.clone()
    copy.sym_name = StringAttr(name)
    return copy


def family(net: Network, form: Form, training: bool, constant: str = "constant") -> list[Traced]:
    """The program for inputs like `form` and, where that says all, for one sample more."""
    program = partial(traced, net, training=training, constant=constant)
    first, types = program(form), list(types_in(form))
    samples = types[0].shape[:1] if types else ()
    if not samples:
        return [first]
    try:
        others = {n: program(with_samples(form, samples[0], n)) for n in (1, *MORE)}
    except NncError:
        return [first]
    alike = all(
        extrapolated(first.text, others[1].text, n) == other.text
        and agree(first.arrays, other.arrays)
        for n, other in others.items()
    )
    return [first, others[1]] if alike else [first]


def agree(arrays: dict[str, Memory], others: dict[str, Memory]) -> bool:
    """Whether arrays of one name are one array."""
    return all(np.array_equal(arrays[name], others[name]) for name in arrays.keys() & others.keys())


def types_in(form: Form) -> Iterator[Type]:
    """The types of all inputs in order."""
    if isinstance(form, Type):
        yield form
    elif isinstance(form, list | tuple):
        for part in form:
            yield from types_in(part)


def replaced(form: Form, leaves: Iterator[Any]) -> Form:
    """The same form with other things in place of the types."""
    if isinstance(form, list | tuple):
        return type(form)([replaced(part, leaves) for part in form])
    return next(leaves) if isinstance(form, Type) else form


def with_samples(form: Form, samples: int, more: int) -> Form:
    """Where the first axis has the number of samples, it has more."""
    return replaced(
        form,
        (
            type_of((samples + more, *t.shape[1:]), t.dtype, t.device)
            if t.shape[:1] == (samples,)
            else t
            for t in types_in(form)
        ),
    )


def extrapolated(first: str, second: str, more: int) -> str | None:
    """The text for `more` samples more, given that for 0 and 1; None if they differ otherwise."""
    parts, others = (re.split(r"(\d+)", text) for text in (first, second))
    if parts[::2] != others[::2]:
        return None
    return "".join(
        a if a == b else str(int(a) + more * (int(b) - int(a)))
        for a, b in zip(parts, others, strict=True)
    )


def traced(net: Network, form: Form, training: bool, constant: str) -> Traced:
    """The program of one call of the network."""
    counter = generator.counter

    def call(*arrays: NDArray) -> Any:
        return net.forward(*replaced(form, iter(arrays)))

    with autograd.record(train_mode=training):
        made = trace("export", call, list(types_in(form)))
    generator.counter = counter
    arguments = arguments_of(net, made, constant)
    for name in [a.name for a in arguments if not NAME.fullmatch(a.name)]:
        raise OptionError(f"export: '{name}': names have letters, digits, '_', '.' and '-' only")
    module = module_of(made, arguments)
    arrays = {a.name: np.array(NDArray(a.value).host()) for a in arguments if a.role != "scalar"}
    return Traced(module, str(module), arrays)


def arguments_of(net: Network, made: Trace, constant: str) -> list[Argument]:
    """Parameters and other arrays that the program reads, then numbers."""
    values = list(dict.fromkeys([*made.captured, *(write.old for write in made.writes)]))
    names = {id(p.variable): name for name, p in net.collect_params().items() if p.initialized}
    order = {variable: place for place, variable in enumerate(names)}

    def place(value: Value) -> tuple[float, float]:
        """Parameters in the order of the tree, draws in that of the program."""
        drawn = value.number if isinstance(value, Scalar) and value.name == COUNTER else 0
        return order.get(id(value.variable), len(order)), drawn

    constants = (f"{constant}{i}" for i in itertools.count())
    numbers = (f"number{i}" for i in itertools.count())
    found: list[Argument] = []
    for value in sorted(values, key=place):
        if isinstance(value, Scalar):
            found.append(Argument(value, next(numbers), "scalar", described(value)))
        elif id(value.variable) in names:
            found.append(Argument(value, names[id(value.variable)], value.variable.role, {}))
        else:
            found.append(Argument(value, next(constants), "state", {}))
    return found


def described(scalar: Scalar) -> dict[str, Attribute]:
    """Which number a scalar is, or which part of the random state."""
    if scalar.name in (SEED, COUNTER):
        following: Any = scalar.source
        draws = following.args[0] if scalar.name == COUNTER else 1
        return {"nnc.random": StringAttr(scalar.name), "nnc.draws": IntegerAttr(draws, i64)}
    if scalar.type.dtype.startswith("int"):
        return {"nnc.value": IntegerAttr(int(scalar.number), i64)}
    return {"nnc.value": FloatAttr(float(scalar.number), f64)}


def module_of(made: Trace, arguments: Sequence[Argument]) -> ModuleOp:
    """A module whose `main` takes the inputs, then the arguments as they lie in memory."""
    count = len(made.arguments)
    inputs = [
        Argument(value, numbered("data", i, count), "input", below(value, made.nodes))
        for i, value in enumerate(made.arguments)
    ]
    every = [*inputs, *arguments]
    specs = list(map(spec_of, every))
    types = list(map(stored_type, specs))
    block = Block([func.ReturnOp()], arg_types=types)
    program = Program(func.FuncOp("main", (types, []), Region(block)))
    b = program.builder()
    logical = [
        transposed(b, x, spec.layout and np.argsort(spec.layout).tolist())
        for x, spec in zip(block.args, specs, strict=True)
    ]
    for x, argument in zip(block.args, every, strict=True):
        x.name_hint = identifier(argument.name) or identifier(f"layer{argument.name}")
    values = [argument.value for argument in every]
    new = [write.new for write in made.writes]
    body = emit_body(Builder(InsertPoint.at_end(Block())), made.body(values, [*made.results, *new]))
    results, outputs = inline(body, logical, b), len(made.results)
    named = [Result(x, numbered("output", i, outputs)) for i, x in enumerate(results[:outputs])]
    ties = [values.index(write.old) for write in made.writes]
    tied = [
        Result(transposed(b, x, specs[tie].layout), tied=tie)
        for x, tie in zip(results[outputs:], ties, strict=True)
    ]
    program.set_attributes(
        [{**leaf_attributes(s, a.name), **a.more} for s, a in zip(specs, every, strict=True)]
    )
    program.set_results([*named, *tied])
    return ModuleOp([program.function])


def below(value: Value, nodes: Sequence[Node]) -> dict[str, Attribute]:
    """What an input has to be smaller than if it holds labels or indices."""
    sizes = [check.size for indices, _, check in choices_of(nodes) if indices is value]
    return {"nnc.below": IntegerAttr(min(sizes), i64)} if sizes else {}


def transposed(b: Builder, x: SSAValue, permutation: Sequence[int] | None) -> SSAValue:
    """The value with its dimensions in another order, or as it is."""
    return x if permutation is None else insert(b, TransposeOp(x, permutation))


def spec_of(argument: Argument) -> LeafSpec:
    """What the program must know of an argument."""
    if argument.role == "input":
        return LeafSpec("input", argument.value.type, None)
    return leaf_spec(argument.value)._replace(role=argument.role)


def numbered(name: str, index: int, count: int) -> str:
    """MXNet's names: `data`, or `data0`, `data1` of several."""
    return name if count == 1 else f"{name}{index}"
