"""From the text of a pipeline, `name{option=value},name,…`, to passes.

Knows the tables of `nnc.lowering.pipelines`; imports a pass only when a pipeline names it.
"""

import dataclasses
import difflib
import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, TypeVar

from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpec, ArgSpecConvertible, parse_pipeline
from xdsl.utils.exceptions import ArgSpecParseError

from nnc.lowering.pipelines import PASSES, PIPELINES

TARGET_OPTIONS = {"target", "isa"}
"""Options that name a target."""

LOADED = "nnc_opt_"
"""What the names of modules begin with that are no part of nnc."""

Converted = TypeVar("Converted", bound=ArgSpecConvertible)


class PipelineError(ValueError):
    """A pipeline that names an unknown pass or option; the text says which and what is near."""


def load(reference: str) -> Any:
    """The object that `"package.module:name"` refers to."""
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)


def passes_of_file(path: str) -> dict[str, str]:
    """The passes of a Python file that is no part of nnc, as references that `load` follows."""
    module = LOADED + Path(path).stem
    spec = spec_from_file_location(module, path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise PipelineError(f"'{path}' is no Python file")
    sys.modules[module] = made = module_from_spec(spec)
    spec.loader.exec_module(made)
    found = {
        one.name: f"{module}:{key}"
        for key, one in vars(made).items()
        if isinstance(one, type) and issubclass(one, ModulePass) and one.__module__ == module
    }
    if not found:
        raise PipelineError(f"'{path}' has no pass, a class that extends xdsl.passes.ModulePass")
    for name in found.keys() & PASSES.keys():
        raise PipelineError(f"'{path}': a pass is called '{name}' already")
    return found


def file_of(one: ModulePass) -> str | None:
    """The file of a pass that is no part of nnc."""
    module = type(one).__module__
    return (
        os.path.relpath(sys.modules[module].__file__ or "") if module.startswith(LOADED) else None
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause naming what `name` may have been meant to be, or the choices."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(choices)}"


def pass_named(name: str) -> type[ModulePass]:
    if name not in PASSES:
        raise PipelineError(f"unknown pass '{name}'; {did_you_mean(name, [*PASSES, *PIPELINES])}")
    return load(PASSES[name])


def options(convertible: type[ArgSpecConvertible]) -> list[str]:
    """The names of the options of a pass or target."""
    return [field.name for field in dataclasses.fields(convertible) if field.init]


def expand(text: str) -> list[ArgSpec]:
    """The passes of a pipeline in order, named pipelines replaced by what they stand for."""
    try:
        specs = list(parse_pipeline(text))
    except ArgSpecParseError as error:
        raise PipelineError(f"in the pipeline '{text}':\n{error}") from None
    return [inner for spec in specs for inner in _expand(spec.normalize_parameter_names())]


def _expand(spec: ArgSpec) -> Iterator[ArgSpec]:
    if spec.name not in PIPELINES:
        yield spec
        return
    inner = expand(PIPELINES[spec.name])
    if not spec.parameters:
        yield from inner
        return
    known = {one.name: options(pass_named(one.name)) for one in inner}
    _check_options("pipeline", spec, {name for names in known.values() for name in names})
    for one in inner:
        given = {key: value for key, value in spec.parameters.items() if key in known[one.name]}
        yield ArgSpec(one.name, one.parameters | given)


def instantiate(kind: str, convertible: type[Converted], spec: ArgSpec) -> Converted:
    """The pass or target (`kind` says which) that `spec` describes."""
    spec = spec.normalize_parameter_names()
    _check_options(kind, spec, options(convertible))
    try:
        made = convertible.from_spec(spec)
        for name in TARGET_OPTIONS & set(options(convertible)):
            _check_target(getattr(made, name))
        return made
    except ValueError as error:
        raise PipelineError(f"{kind} '{spec}': {error}") from None


def _check_target(name: str | None) -> None:
    if name is not None:
        load("nnc.dialects.target:target_named")(name)


def build_pipeline(text: str) -> list[ModulePass]:
    """The passes that a pipeline's text stands for."""
    return [instantiate("pass", pass_named(spec.name), spec) for spec in expand(text)]


def _check_options(kind: str, spec: ArgSpec, known: Iterable[str]) -> None:
    spelled = [name.replace("_", "-") for name in known]
    for name in (option.replace("_", "-") for option in spec.parameters):
        if name not in spelled:
            hint = did_you_mean(name, spelled) if spelled else "it has none"
            raise PipelineError(f"{kind} '{spec.name}' has no option '{name}'; {hint}")
