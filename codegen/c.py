"""`nnc-opt -t c`: the C of a module."""

from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.utils.exceptions import DiagnosticException
from xdsl.utils.target import Target as OutputTarget

from nnc.codegen.emit import emit


def lowered_for(module: ModuleOp) -> str | None:
    """The target of a lowered module."""
    target = module.attributes.get("nnc.target")
    return target.data if isinstance(target, StringAttr) else None


@dataclass(frozen=True)
class CTarget(OutputTarget):
    """Prints C for `isa`: avx512, avx2, sse2 or c99. Several units follow each other.

    By default it is what the module was lowered for, or else avx512.
    """

    name = "c"
    isa: str | None = None

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        isa = self.isa or lowered_for(module) or "avx512"
        if isa == "cuda":
            raise DiagnosticException("the module is lowered for cuda: print it with -t cuda")
        units = emit(module, isa).units
        for unit in units:
            if len(units) > 1:
                output.write(f"/* unit {unit.name} */\n")
            output.write(unit.text)
