"""From a module of level 1 to a program that can be called. No text on this path.

The pipeline's passes are made once for each target.
"""

import functools
import gc
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, overload

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpec

from nnc.codegen.artifact import Artifact
from nnc.compilation.generated import generated
from nnc.compilation.interpreted import InterpretedProgram
from nnc.compilation.modules import Names, module_of
from nnc.dialects.target import Target, target_named
from nnc.dtypes import element_type
from nnc.errors import DeviceError, OptionError
from nnc.lowering.nn_derive import NnDerivePass, split
from nnc.lowering.nn_precision import NnPrecisionPass
from nnc.lowering.pass_specs import did_you_mean, expand, instantiate, options, pass_named
from nnc.lowering.pipelines import LEVELS
from nnc.recording.graph import Structure
from nnc.runtime.device import HOST, Device
from nnc.runtime.gpu import GpuProgram
from nnc.runtime.machine import detect_target
from nnc.runtime.pool import set_threads
from nnc.runtime.program import Program
from nnc.runtime.report import Report
from nnc.settings import Settings

LEVEL_NAMES = ("frontend", "graph", "groups", "storage", "loops")
"""What `ir(level)` takes: the frontend's program, then one level for each of `LEVELS`."""


class Runnable(Protocol):
    """What the frontend needs of a program, compiled or interpreted."""

    artifact: Artifact

    def bind(self, arrays: Mapping[str, Any], /) -> None: ...
    def __call__(self, *inputs: Any) -> Any: ...
    def ir(self, level: str) -> str: ...
    def report(self) -> Report: ...
    @property
    def source(self) -> str: ...


@functools.cache
def passes_to(
    level: str, target: str, start: str = LEVEL_NAMES[0], memory_budget: float | None = None
) -> list[ModulePass]:
    """The passes from level `start` to a level."""
    if level not in LEVEL_NAMES:
        raise OptionError(f"no level '{level}'; {did_you_mean(level, LEVEL_NAMES)}")
    stages = LEVELS[LEVEL_NAMES.index(start) : LEVEL_NAMES.index(level)]
    given: dict[str, tuple[Any, ...]] = {"target": (target,)}
    if memory_budget is not None:
        given["budget_mib"] = (memory_budget,)
    return [chosen_pass(spec, given) for stage in stages for spec in expand(stage)]


def chosen_pass(spec: ArgSpec, given: Mapping[str, tuple[Any, ...]]) -> ModulePass:
    """A pass of a pipeline, with those of the options given that it has."""
    kind = pass_named(spec.name)
    own = {name: value for name, value in given.items() if name in options(kind)}
    return instantiate("pass", kind, ArgSpec(spec.name, {**spec.parameters, **own}))


def lower(
    module: ModuleOp,
    level: str,
    target: Target,
    start: str = LEVEL_NAMES[0],
    memory_budget: float | None = None,
) -> ModuleOp:
    """Applies the passes from `start` to `level` in place."""
    ctx = Context()
    for one in passes_to(level, target.name, start, memory_budget):
        one.apply(ctx, module)
    return module


def lower_prepared(
    module: ModuleOp, level: str, target: Target, memory_budget: float | None = None
) -> list[ModuleOp]:
    """The program at a level and, where it has derived values, the program that makes them."""
    if level == LEVEL_NAMES[0]:
        return [module]
    lower(module, "graph", target)
    NnDerivePass(target.name).apply(Context(), module)
    preparation = split(module)
    programs = [module] if preparation is None else [module, preparation]
    return [lower(program, level, target, "graph", memory_budget) for program in programs]


@contextmanager
def no_garbage_collection() -> Generator[None]:
    """The collector would walk the growing IR again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@overload
def compile_module(
    module: ModuleOp, target: str | Target | None = None, threads: int | None = None
) -> Program: ...
@overload
def compile_module(module: ModuleOp, *, device: Device) -> GpuProgram: ...
def compile_module(
    module: ModuleOp,
    target: str | Target | None = None,
    threads: int | None = None,
    device: Device | None = None,
) -> Program | GpuProgram:
    """The program of a module of level 1, which stays as it is.

    `threads` sets the workers of all programs of this process; `device`, from `nnc.gpu(0)`, runs
    the program there, with its parameters resident.
    """
    if threads is not None:
        set_threads(threads)
    chosen = chosen_target("cuda" if device is not None else target)
    with no_garbage_collection():
        artifact = artifact_of(lower(module.clone(), LEVEL_NAMES[-1], chosen), chosen)

    def ir(level: str) -> str:
        return str(lower(module.clone(), level, chosen))

    return Program(artifact, ir=ir) if device is None else GpuProgram(artifact, device, ir=ir)


def chosen_target(target: str | Target | None) -> Target:
    """The target asked for, or the machine's."""
    if isinstance(target, str):
        return target_named(target)
    return target or detect_target()


def artifact_of(module: ModuleOp, target: Target) -> Artifact:
    """The text of a module at the last level."""
    from nnc.codegen.emit import emit

    return emit(module, target)


def frontend_module(structure: Structure, names: Names, settings: Settings) -> ModuleOp:
    """The program as it was recorded, in the precision that was asked for."""
    module = module_of(structure, names)
    if settings.precision != "float32":
        NnPrecisionPass(str(element_type(settings.precision))).apply(Context(), module)
    return module


@dataclass(frozen=True)
class CompiledStructure:
    """A structure with its generated text; each `program()` is a new binding of it."""

    structure: Structure
    names: Names
    target: Target
    settings: Settings
    artifact: Artifact | None
    """None when it is interpreted."""
    preparation: Artifact | None = None
    """What makes the derived values, if there are any."""

    def module(self) -> ModuleOp:
        """The program at level 1."""
        return frontend_module(self.structure, self.names, self.settings)

    def program(self) -> Runnable:
        if self.artifact is None:
            return InterpretedProgram(self.module())
        return self.loaded(self.artifact, ir=self.ir, check_nans=self.settings.check_nans)

    def preparing_program(self) -> Program | GpuProgram | None:
        """A new binding of the program that makes the derived values."""
        return None if self.preparation is None else self.loaded(self.preparation)

    def loaded(self, artifact: Artifact, **options: Any) -> Program | GpuProgram:
        """A text as a program that runs where the structure's values are."""
        device = self.structure.device
        if isinstance(device, Device):
            return GpuProgram(artifact, device, **options)
        return Program(artifact, **options)

    @property
    def source(self) -> str:
        """The generated text."""
        return self.program().source

    def report(self) -> Report:
        return self.program().report()

    def ir(self, level: str) -> str:
        """The program's text at a level, made anew; what makes derived values comes after it."""
        budget = self.settings.memory_budget
        programs = lower_prepared(self.module(), level, self.target, budget)
        return "\n// -----\n".join(map(str, programs))


def compile_structure(structure: Structure, names: Names, settings: Settings) -> CompiledStructure:
    """Generates the text of a structure."""
    check_places(structure, names, settings)
    on_gpu = isinstance(structure.device, Device)
    target = chosen_target("cuda" if on_gpu else settings.target)
    if settings.backend == "interpret":
        return CompiledStructure(structure, names, target, settings, None)
    budget = settings.memory_budget

    def make() -> list[Artifact]:
        with no_garbage_collection():
            module = frontend_module(structure, names, settings)
            programs = lower_prepared(module, LEVEL_NAMES[-1], target, budget)
            return [artifact_of(program, target) for program in programs]

    # What a CPU must have changes no text, and sets have no order.
    machine = replace(target, cpu_features=frozenset())
    artifacts = generated((structure, names, machine, settings.precision, budget), make)
    return CompiledStructure(structure, names, target, settings, *artifacts)


def check_places(structure: Structure, names: Names, settings: Settings) -> None:
    """All that a program uses must be where it runs."""
    for leaf, name in zip(structure.leaves, names.leaves, strict=True):
        if leaf.type.device not in (None, structure.device):
            raise DeviceError(
                f"'{name}' is on {leaf.type.device}, but what is computed with it is on "
                f"{structure.device}; move all parameters with net.reset_ctx(nnc."
                f"{structure.device}) before a Trainer is made"
            )
    if settings.backend == "interpret" and structure.device is not HOST:
        raise DeviceError(
            f"NNC_BACKEND=interpret computes on the host, given arrays on {structure.device}"
        )
