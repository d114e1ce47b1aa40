"""`nnc-opt -t cuda`: the kernels of a module as CUDA, and its launches as `<<<…>>>`."""

from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import DiagnosticException
from xdsl.utils.target import Target as OutputTarget

from nnc.codegen.c import lowered_for
from nnc.codegen.cuda_program import CudaProgram
from nnc.codegen.emit import program_of
from nnc.dialects.target import target_named


@dataclass(frozen=True)
class CudaTarget(OutputTarget):
    """Prints what NVRTC compiles, and below it the host program."""

    name = "cuda"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        target = lowered_for(module)
        if target not in (None, "cuda"):
            raise DiagnosticException(
                f"the module is lowered for {target}: lower it with target=cuda, or print -t c"
            )
        program = program_of(module, target_named("cuda"))
        assert isinstance(program, CudaProgram)
        for unit in program.units():
            output.write(unit.text)
        output.write(program.host_text())
