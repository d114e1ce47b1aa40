"""Random training steps: gradients, what is done to them, an optimizer, and less memory."""

from dataclasses import dataclass

import hypothesis.strategies as st
from random_graph import TINY, Draw, Halves, Scale
from random_graphs import Drawn, graphs
from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, f64
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import AddOp, DivOp, MinOp, cast, mul
from nnc.dialects.nn.functions import SqrtOp
from nnc.dialects.nn.reduce import BroadcastOp, sum_over
from nnc.dialects.optim.rules import RULES
from nnc.lowering.nn_gradient import NnGradientPass
from nnc.lowering.nn_remat import MIB, BudgetError, NnRematPass, Search
from nnc.lowering.optim_apply import PREFIX
from nnc.lowering.pass_specs import build_pipeline
from nnc.lowering.program import Program, Result

SMOOTH_RULES = sorted(RULES.keys() - {"lans", "lars", "signum"})
"""The optimizers that no rounding makes jump: signum takes the sign of a gradient, LANS and LARS
divide by its norm, also where it is 0 but for rounding."""
SHARES = (0.5, 0.7, 0.9)
"""Of the arena: budgets."""


@dataclass(frozen=True)
class AccumulatePass(ModulePass):
    """Adds to each gradient what earlier steps left in the state `sum:<parameter>`."""

    name = "accumulate"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        program = Program.of(op)
        results: list[Result] = []
        for one in program.results():
            if one.name.startswith(PREFIX):
                name = one.name.replace(PREFIX, "sum:", 1)
                before = program.add_argument(one.value.type, name, "state")
                sum = insert(program.builder(), AddOp(one.value, before))
                results.append(Result(sum, tied=len(program.block.args) - 1))
                one = Result(sum, one.name)
            results.append(one)
        program.set_results(results)


@dataclass(frozen=True)
class ClipGlobalNormPass(ModulePass):
    """Scales the gradients so that the norm of all of them together is at most 1."""

    name = "clip-global-norm"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        program = Program.of(op)
        b = program.builder()
        given = program.results()
        squares = [square(b, one.value) for one in given if one.name.startswith(PREFIX)]
        total = squares[0]
        for one in squares[1:]:
            total = insert(b, AddOp(total, one))
        norm = insert(b, SqrtOp(insert(b, AddOp(total, constant(b, 1e-8, total)))))
        one = constant(b, 1.0, norm)
        factor = insert(b, MinOp(insert(b, DivOp(one, norm)), one))
        program.set_results([
            Result(scaled(b, one.value, factor), one.name) if one.name.startswith(PREFIX) else one
            for one in given
        ])  # fmt: skip


def square(b: Builder, x: SSAValue) -> SSAValue:
    """The sum of all squares, in f64."""
    wide = cast(b, x, f64)
    return sum_over(b, mul(b, wide, wide), range(len(shape_of(x))))


def scaled(b: Builder, x: SSAValue, factor: SSAValue) -> SSAValue:
    factors = insert(b, BroadcastOp(cast(b, factor, element_of(x)), shape_of(x), ()))
    return mul(b, x, factors)


@dataclass(frozen=True)
class TightRematPass(ModulePass):
    """`nn-remat` with a budget below what the arena needs: the first share that can be met."""

    name = "nn-remat"
    target: str = "avx512"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        least = Search(op, 1.0, self.target).least
        for share in SHARES if least else ():
            try:
                NnRematPass(share * least / MIB, self.target).apply(ctx, op)
            except BudgetError:
                continue
            return


optimizers = st.builds(
    "optim-apply{{rule={} clip={}}}".format,
    st.sampled_from(SMOOTH_RULES),
    st.sampled_from(["true", "false"]),
)


@st.composite
def with_gradients(draw: Draw, scale: Scale = TINY) -> Drawn:
    """A program with gradients, perhaps accumulated, perhaps clipped."""
    module = draw(graphs(Halves.NOTHING, scale, steps=8)).module
    NnGradientPass().apply(Context(), module)
    for more in (AccumulatePass(), ClipGlobalNormPass()):
        if draw(st.booleans()):
            more.apply(Context(), module)
    return Drawn(module)


@st.composite
def trained(draw: Draw, scale: Scale = TINY) -> Drawn:
    """A training step."""
    module = draw(with_gradients(scale)).module
    for one in build_pipeline(draw(optimizers)):
        one.apply(Context(), module)
    return Drawn(module)


def with_tight_memory(target: str) -> list[ModulePass]:
    """The passes of `lower`, of which `nn-remat` has a budget."""
    passes = build_pipeline(f"lower{{target={target}}}")
    return [TightRematPass(target) if one.name == "nn-remat" else one for one in passes]
