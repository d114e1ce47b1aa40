"""`emit(module, target)`: a module at level 4 to an `Artifact`."""

from xdsl.dialects.builtin import ModuleOp, StringAttr

from nnc.codegen.artifact import Artifact
from nnc.codegen.functions import aligned
from nnc.codegen.names import Names
from nnc.codegen.program import CProgram
from nnc.codegen.report import buffer_reports, kernel_reports
from nnc.dialects.target import Target, target_named


def emit(module: ModuleOp, target: Target | str, name: str | None = None) -> Artifact:
    """The program of `module` for `target`. Its entry is called `name`, or as the module is."""
    if isinstance(target, str):
        target = target_named(target)
    if name is None:
        symbol = module.properties.get("sym_name")
        name = symbol.data if isinstance(symbol, StringAttr) else "program"
    entry = Names().fresh(name)
    program = CProgram(module, target, entry)
    host = program.host
    return Artifact(
        name=name,
        target=target,
        units=program.units(),
        entry=entry,
        arguments=host.arguments if host else (),
        arena_bytes=aligned(host.arena_bytes) if host else 0,
        scratch_bytes=program.scratch_bytes,
        kernels=tuple(kernel_reports(program.program.kernels, host)),
        buffers=tuple(buffer_reports(host)),
    )
