"""The boxes of a program that `export` wrote: one for each operation that was recorded."""

import re
from collections.abc import Mapping

from xdsl.ir import Operation, SSAValue

from nnc.drawing.network_boxes import Box, distinct
from nnc.gluon.parameter import Parameter
from nnc.lowering.program import Program
from nnc.recording.graph import Value, tensor_to_type


def boxes_of_program(program: Program, parameters: Mapping[str, Parameter]) -> list[Box]:
    """Boxes for the inputs and operations, each after those it reads.

    Constants have none, nor has what only replaces an argument, as running statistics do.
    """
    values: dict[SSAValue, Value] = {}
    sources: dict[SSAValue, Box] = {}
    learned: dict[SSAValue, Parameter] = {}
    for i, argument in enumerate(program.block.args):
        name, type = program.name(i), tensor_to_type(argument.type)
        values[argument] = Value(type)
        if program.role(i) == "input":
            sources[argument] = Box(name, "input", "", [type])
        elif name in parameters:
            learned[argument] = parameters[name]
    inputs = list(sources.values())
    owners = boxes_by_op(program)
    for op, box in owners.items():
        for operand in op.operands:
            source = sources.get(operand)
            if operand in learned:
                box.parameters[learned[operand].name] = learned[operand].variable.current
            elif source is not None and source is not box:
                box.inputs[values[operand]] = source
        for result in op.results:
            values[result] = Value(tensor_to_type(result.type))
            if op.operands:
                sources[result] = box
    boxes = list(dict.fromkeys(reversed(owners.values())))[::-1]
    read = {source for box in boxes for source in box.inputs.values()}
    given = {sources.get(result.value) for result in program.results() if result.tied is None}
    return [*inputs, *(box for box in boxes if box in read | given)]


def boxes_by_op(program: Program) -> dict[Operation, Box]:
    """The box of each op: that of the operation whose named result it leads to."""
    ops = list(program.block.ops)[:-1]
    places = {op: i for i, op in enumerate(ops)}
    found: dict[Operation, Box] = {}
    for op in reversed(ops):
        named = [result for result in op.results if result.name_hint]
        users = [use.operation for result in op.results for use in result.uses]
        inside = sorted(places[user] for user in users if user in places)
        if inside and not named:
            found[op] = found[ops[inside[0]]]
            continue
        name = (named[0].name_hint if named else None) or op.name.removeprefix("nn.")
        title = re.sub(r"_\d+$", "", name)
        types = [tensor_to_type(result.type) for result in named[:1] or op.results]
        found[op] = Box(title, title, "", types, {title})
    unique = distinct()
    for box in dict.fromkeys(reversed(found.values())):
        box.name = unique(box.title)
    return dict(reversed(found.items()))
