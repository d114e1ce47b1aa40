"""A program that is run with numpy at level 1, behind the interface of compiled programs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from nnc.codegen.artifact import Argument, Artifact, Role
from nnc.dialects.interpret import run
from nnc.dialects.target import target_named
from nnc.lowering.program import Program
from nnc.recording.graph import Memory, tensor_to_type
from nnc.runtime.report import Report, report_of

ROLES: dict[str, Role] = {
    "input": "input",
    "parameter": "parameter",
    "state": "state",
    "scalar": "scalar",
}


class InterpretedProgram:
    """`NNC_BACKEND=interpret`: the meaning of the program, slowly."""

    def __init__(self, module: ModuleOp):
        self.module = module
        program = Program.of(module)
        self.results = program.results()
        arguments = [argument_of(program, i) for i in range(len(program.block.args))]
        outputs = [output_of(r.name, r.value.type) for r in self.results if r.tied is None]
        self.artifact = Artifact(
            "main", target_named("c99"), (), "main", (*arguments, *outputs), 0, 0
        )
        self.bound: dict[str, Memory] = {}

    def bind(self, arrays: Mapping[str, Memory]) -> None:
        self.bound = dict(arrays)

    def __call__(self, *inputs: Memory) -> Any:
        given = iter(inputs)
        memories = [
            next(given) if a.role == "input" else self.bound[a.name]
            for a in self.artifact.arguments
            if a.role != "output"
        ]
        outputs: list[Memory] = []
        for result, value in zip(self.results, run(self.module, memories), strict=True):
            if result.tied is None:
                outputs.append(value)
            else:
                np.copyto(memories[result.tied], value)
        return outputs[0] if len(outputs) == 1 else tuple(outputs) or None

    def ir(self, level: str) -> str:
        return str(self.module)

    def report(self) -> Report:
        return report_of(self.artifact)

    @property
    def source(self) -> str:
        return ""


def argument_of(program: Program, index: int) -> Argument:
    """What the runtime would be told of an argument."""
    type, role = tensor_to_type(program.block.args[index].type), ROLES[program.role(index)]
    name, layout = program.name(index), program.layout(index)
    return Argument(name, role, "inout", type.dtype, type.shape, layout)


def output_of(name: str, tensor: Any) -> Argument:
    type = tensor_to_type(tensor)
    return Argument(name, "output", "out", type.dtype, type.shape)
