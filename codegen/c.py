"""`nnc-opt -t c`: the C of a module."""

from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.utils.target import Target as OutputTarget

from nnc.codegen.emit import emit


@dataclass(frozen=True)
class CTarget(OutputTarget):
    """Prints C for `isa`: avx512, avx2, sse2 or c99. Several units follow each other.

    By default it is what the module was lowered for, or else avx512.
    """

    name = "c"
    isa: str | None = None

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        lowered_for = module.attributes.get("nnc.target")
        default = lowered_for.data if isinstance(lowered_for, StringAttr) else "avx512"
        units = emit(module, self.isa or default).units
        for unit in units:
            if len(units) > 1:
                output.write(f"/* unit {unit.name} */\n")
            output.write(unit.text)
