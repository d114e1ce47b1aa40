"""Many small programs as one module, so that each target compiles once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from emulated import Emulator
from xdsl.builder import Builder
from xdsl.dialects.builtin import ModuleOp, TensorType, bf16, f16, f32, f64, i1, i8, i32, i64
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.codegen.emit import emit
from nnc.compilation.compiler import compile_module, lower
from nnc.dialects.interpret import run
from nnc.dialects.meaning.formulas import is_half
from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.reduce import BroadcastOp
from nnc.dialects.scalars import ui8
from nnc.dialects.target import TARGETS, target_named
from nnc.runtime.machine import cpu_features
from nnc.runtime.program import Program

Array = npt.NDArray[Any]
Build = Callable[..., "SSAValue | Sequence[SSAValue] | Operation"]
"""The class of an op, perhaps `partial`, or `build(b, *values)`, which inserts ops."""

ELEMENTS: dict[str, Attribute] = {
    "float32": f32,
    "float64": f64,
    "float16": f16,
    "bfloat16": bf16,
    "bool": i1,
    "int8": i8,
    "uint8": ui8,
    "int32": i32,
    "int64": i64,
}


def normal(*sizes: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *sizes]).standard_normal(sizes).astype(np.float32)


def below(high: int, *sizes: int) -> Array:
    """Integers from 0 to `high`, which is not one of them."""
    return np.random.default_rng([high, *sizes]).integers(0, high, sizes, dtype=np.int32)


def broadcast(b: Builder, x: SSAValue, like: SSAValue, *dimensions: int) -> SSAValue:
    return insert(b, BroadcastOp(x, shape_of(like), dimensions))


def runnable_targets() -> list[str]:
    """The targets whose C code this machine can run."""
    features = cpu_features()
    return [t.name for t in TARGETS.values() if t.language == "c" and t.cpu_features <= features]


@dataclass(frozen=True)
class Case:
    """One small program on its inputs.

    `tolerance` is relative to the largest expected number, and to one; 0 asks for the same bits as
    the interpreter in the program's own types.
    """

    name: str
    build: Build
    inputs: tuple[Array, ...]
    tolerance: float = 1e-5

    def results(self, b: Builder, values: Sequence[SSAValue]) -> Sequence[SSAValue]:
        simple = isinstance(self.build, type | partial)
        built = self.build(*values) if simple else self.build(b, *values)
        match built:
            case SSAValue():
                return [built]
            case Operation():
                return list(b.insert(built).results if built.parent is None else built.results)
            case _:
                return list(built)

    @cached_property
    def expected(self) -> list[Array]:
        """What the interpreter gives, in f64 unless the bits have to be the same."""
        inputs = self.inputs
        if self.tolerance:
            inputs = tuple(
                x.astype("f8") if x.dtype == np.float32 or is_half(x.dtype) else x for x in inputs
            )
        return run(module_of([self]), inputs)

    def mistakes(self, given: Sequence[Array]) -> list[str]:
        """What is wrong with the results, one line for each."""
        pairs = zip(given, self.expected, strict=True)
        found = (self._mistake(x, y) for x, y in pairs)
        return [f"{self.name}, result {i}: {text}" for i, text in enumerate(found) if text]

    def _mistake(self, given: Array, expected: Array) -> str:
        if given.shape != expected.shape:
            return f"shape {given.shape}, expected {expected.shape}"
        finite = np.abs(expected[np.isfinite(expected)]).astype(np.float64)
        bound = self.tolerance * max(1.0, finite.max(initial=0.0))
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(given.astype(np.float64) - expected.astype(np.float64))
            same = (given == expected) | ((given != given) & (expected != expected))
            if not self.tolerance and expected.dtype.kind not in "iub":
                same &= (np.signbit(given) == np.signbit(expected)) | (given != given)
            right = same | (error <= bound)
        if right.all():
            return ""
        at = tuple(int(i) for i in np.argwhere(~right)[0])
        wrong = f"{(~right).sum()} of {right.size} wrong"
        return f"{wrong}, at {at} {given[at]}, expected {expected[at]}"


def module_of(cases: Sequence[Case]) -> ModuleOp:
    """A module whose `main` takes the inputs of all cases and returns all their results."""
    types = [TensorType(ELEMENTS[str(x.dtype)], x.shape) for case in cases for x in case.inputs]
    block = Block(arg_types=types)
    b = Builder(InsertPoint.at_end(block))
    arguments = iter(block.args)
    results = [
        result
        for case in cases
        for result in case.results(b, [next(arguments) for _ in case.inputs])
    ]
    block.add_op(ReturnOp(*results))
    function = FuncOp("main", (types, [r.type for r in results]), Region(block))
    module = ModuleOp([function])
    module.verify()
    return module


class Batch:
    """Cases compiled together for a target."""

    def __init__(self, cases: Sequence[Case], target: str):
        self.cases = cases
        self.program: Program = compile_module(module_of(cases), target)

    def run(self) -> list[list[Array]]:
        """The results of each case."""
        results = self.program(*inputs_of(self.cases))
        return divided(self.cases, results if isinstance(results, tuple) else (results,))

    def mistakes(self) -> list[str]:
        """What is wrong with any case, one line for each."""
        return mistakes(self.cases, self.run())


def emulated(cases: Sequence[Case], folder: Path) -> list[list[Array]]:
    """The results of each case in one CUDA program, emulated."""
    artifact = emit(lower(module_of(cases), "loops", target_named("cuda")), "cuda")
    inputs = inputs_of(cases)
    outputs = [np.zeros(a.shape, a.dtype) for a in artifact.arguments[len(inputs) :]]
    assert Emulator(artifact, folder, checked=False)([*inputs, *outputs], seed=1) == ""
    return divided(cases, outputs)


def inputs_of(cases: Sequence[Case]) -> list[Array]:
    return [x for case in cases for x in case.inputs]


def divided(cases: Sequence[Case], results: Iterable[Array]) -> list[list[Array]]:
    """The results of a program of all cases, for each case."""
    values = iter(results)
    return [[next(values) for _ in case.expected] for case in cases]


def mistakes(cases: Sequence[Case], results: Sequence[Sequence[Array]]) -> list[str]:
    """What is wrong with the results of any case, one line for each."""
    pairs = zip(cases, results, strict=True)
    return [line for case, given in pairs for line in case.mistakes(given)]
