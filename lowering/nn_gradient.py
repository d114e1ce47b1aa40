"""`nn-gradient`: appends the gradients of one result of the program to its results.

Reverse mode over the graph. Comes in: any program of `Differentiable` ops, or of ops that
decompose into such. Goes out: the same program with one more result `grad:<argument>` for each
argument differentiated. The ops added are differentiable too, so that the pass can run again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.reverse import (
    NotDifferentiableError,
    differentiable_ops,
    is_real,
    pull_back,
)
from nnc.lowering.program import Program, Result, place


@dataclass(frozen=True)
class NnGradientPass(ModulePass):
    """Differentiates the sum of result `of` with respect to `wrt`."""

    name = "nn-gradient"
    of: int = 0
    wrt: tuple[str, ...] = ("parameters",)
    """Names of arguments; `parameters` stands for all of that role."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        program = Program.of(op)
        count = len(program.results())
        if not 0 <= self.of < count:
            raise PassFailedException(f"nn-gradient: @main has {count} results, given of={self.of}")
        wrt = differentiated(program, self.wrt)
        try:
            gradients = gradient(program, self.of, [program.block.args[i] for i in wrt])
        except NotDifferentiableError as error:
            raise PassFailedException(f"nn-gradient: {error}{place(error.op)}") from error
        names = [f"grad:{program.name(i)}" for i in wrt]
        program.set_results([*program.results(), *map(Result, gradients, names)])


def differentiated(program: Program, names: Sequence[str]) -> list[int]:
    """The arguments that `wrt` names."""
    chosen: list[int] = []
    for name in names:
        if name == "parameters":
            arguments = range(len(program.block.args))
            chosen += [i for i in arguments if program.role(i) == "parameter"]
        else:
            chosen.append(program.find(name))
    for i in chosen:
        if not is_real(program.block.args[i]):
            raise PassFailedException(
                f"nn-gradient: '{program.name(i)}' is {program.block.args[i].type}, "
                "only floating-point arguments have gradients"
            )
    return chosen


def leading_to(value: SSAValue) -> list[Operation]:
    """The ops that `value` depends on, in order."""
    needed = {value.owner}
    if not isinstance(value.owner, Operation) or value.owner.parent is None:
        return []
    ops: list[Operation] = []
    for op in reversed(list(value.owner.parent.ops)):
        if op in needed:
            ops.append(op)
            needed.update(operand.owner for operand in op.operands)
    return ops[::-1]


def gradient(program: Program, of: int, wrt: Sequence[SSAValue]) -> list[SSAValue]:
    """The gradient of the sum of result `of` for each value of `wrt`; zeros where independent."""
    tape = differentiable_ops(leading_to(program.results()[of].value), wrt)
    value = program.results()[of].value  # a new one if the op that made it was decomposed
    b = program.builder()
    found = pull_back(b, tape, {value: constant(b, 1.0, value)}, wrt)
    return [
        constant(b, 0.0, value) if cotangent is None else cotangent
        for value, cotangent in zip(wrt, found, strict=True)
    ]
