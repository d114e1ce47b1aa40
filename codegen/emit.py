"""`emit(module, target)`: a module at level 4 to an `Artifact`."""

from xdsl.dialects.builtin import ModuleOp, StringAttr

from nnc.codegen.artifact import Artifact
from nnc.codegen.c_program import CProgram
from nnc.codegen.cuda_program import CudaProgram
from nnc.codegen.errors import CodegenError
from nnc.codegen.functions import Program, aligned, derived_names, kernels_of, reached
from nnc.codegen.interface import host_of
from nnc.codegen.names import Names
from nnc.codegen.places import distinct_arguments
from nnc.codegen.report import buffer_reports, kernel_reports
from nnc.dialects.target import Target, target_named


def emit(module: ModuleOp, target: Target | str, name: str | None = None) -> Artifact:
    """The program of `module` for `target`. Its entry is called `name`, or as the module is."""
    if isinstance(target, str):
        target = target_named(target)
    source = program_of(module, target, name)
    host = source.host
    return Artifact(
        name=name or name_of(module),
        target=target,
        units=source.units(),
        entry=source.entry,
        arguments=host.arguments if host else (),
        arena_bytes=aligned(host.arena_bytes) if host else 0,
        scratch_bytes=source.scratch_bytes,
        kernels=tuple(kernel_reports(source.program.kernels, host)),
        buffers=tuple(buffer_reports(host)),
        sites=source.sites,
        launches=source.launches if isinstance(source, CudaProgram) else (),
    )


def name_of(module: ModuleOp) -> str:
    """The module's symbol; `program` where it has none."""
    symbol = module.properties.get("sym_name")
    return symbol.data if isinstance(symbol, StringAttr) else "program"


def program_of(module: ModuleOp, target: Target, name: str | None = None) -> CProgram | CudaProgram:
    """What prints the module in the target's language."""
    names = Names()
    entry = names.fresh(name or name_of(module))
    host, kernels = host_of(module), kernels_of(module)
    if host is None and not kernels:
        raise CodegenError("the module has neither a func.func named @main nor kernels to print")
    launches = host.launches() if host else []
    if host is not None:
        kernels = reached(kernels, launches)
    called = {k: names.fresh(k, derived_names(f)) for k, f in kernels.items()}
    program = Program(kernels, called, target)
    program.distinct = distinct_arguments(program, launches)
    language = CudaProgram if target.language == "cuda" else CProgram
    return language(program, host, entry)
