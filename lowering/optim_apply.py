"""`optim-apply`: replaces gradients by the parameters they lead to.

Comes in: results `grad:<parameter>`. Goes out: the new value of the parameter and of its optimizer
state, tied to their arguments. Adds an argument for each state (`momentum:dense0.weight`, of role
"state"), and one for each scalar (`lr`, `wd`, `rescale`, …, of role "scalar"), shared by all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from nnc.dialects.nn.base import element_of
from nnc.dialects.nn.reverse import at
from nnc.dialects.optim.rules import RULES, Given, Rule
from nnc.lowering.program import Program, Result

PREFIX = "grad:"
CONSTANTS = sorted({key for rule in RULES.values() for key in rule.constants})
"""The constants that some rule has; each is an option of the pass."""


@dataclass(frozen=True)
class OptimApplyPass(ModulePass):
    """Updates every parameter by `rule`; constants left out keep the rule's defaults."""

    name = "optim-apply"
    rule: str = "sgd"
    momentum: float | None = None
    beta: float | None = None
    beta1: float | None = None
    beta2: float | None = None
    rho: float | None = None
    epsilon: float | None = None
    eta: float | None = None
    lamda1: float | None = None
    wd_lh: float | None = None
    lower_bound: float | None = None
    upper_bound: float | None = None
    clip: bool = False
    """Whether gradients are clipped; adds the scalar `clip`."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        program = Program.of(op)
        rule, constants = self.update()
        scalars = Scalars(program)
        positions = {program.name(i): i for i in range(len(program.block.args))}
        results: list[Result] = []
        for result in program.results():
            if result.name.startswith(PREFIX):
                parameter = positions[result.name.removeprefix(PREFIX)]
                results += self.replace(program, rule, constants, result.value, parameter, scalars)
            else:
                results.append(result)
        program.set_results(results)

    def update(self) -> tuple[Rule, dict[str, float]]:
        """The rule, and the constants that were given for it."""
        if self.rule not in RULES:
            raise PassFailedException(
                f"optim-apply: unknown rule '{self.rule}', expected one of {', '.join(RULES)}"
            )
        rule = RULES[self.rule]
        given = {key: value for key in CONSTANTS if (value := getattr(self, key)) is not None}
        for key in given:
            if key not in rule.constants:
                known = ", ".join(rule.constants) or "none"
                raise PassFailedException(
                    f"optim-apply: rule '{self.rule}' has no constant '{key}'; it has {known}"
                )
        return rule, given

    def replace(
        self,
        program: Program,
        rule: Rule,
        constants: dict[str, float],
        grad: SSAValue,
        parameter: int,
        scalars: "Scalars",
    ) -> Sequence[Result]:
        """The results that take the place of one gradient."""
        value = program.block.args[parameter]
        name = program.name(parameter)
        element = element_of(value)
        first = len(program.block.args)
        layout = program.attributes(parameter).get("nnc.layout")
        more = {} if layout is None else {"nnc.layout": layout}
        states = [
            program.add_argument(value.type, f"{state}:{name}", "state", more)
            for state in rule.states
        ]
        tied = [parameter, *range(first, first + len(states))]
        shared = [scalars.of(scalar, element) for scalar in rule.scalars]
        clip = scalars.of("clip", element) if self.clip else None
        b = program.builder()
        b = at(b, grad.owner) if isinstance(grad.owner, Operation) else b
        new = rule.emit(b, Given(grad, value, states, shared, clip), constants)
        for result, argument in zip(new, tied, strict=True):
            result.name_hint = program.block.args[argument].name_hint
        return [Result(value, tied=i) for value, i in zip(new, tied, strict=True)]


class Scalars:
    """The scalar arguments, one for each name and element type."""

    def __init__(self, program: Program):
        self.program = program
        self.known: dict[tuple[str, Attribute], SSAValue] = {
            (program.name(i), argument.type): argument
            for i, argument in enumerate(program.block.args)
        }

    def of(self, name: str, element: Attribute) -> SSAValue:
        """The argument of that name, added when it is new: `lr:f64` where `lr` has other bits."""
        key = (name, TensorType(element, []))
        if key not in self.known:
            taken = any(name == known for known, _ in self.known)
            full = f"{name}:{element}" if taken else name
            self.known[key] = self.program.add_argument(key[1], full, "scalar")
        return self.known[key]
