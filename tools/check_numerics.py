"""`nnc-opt --check-numerics`: which pass, and in which kernel, changes what a program computes.

The module is run with the same arguments before the first pass and after every pass. The first
pass whose results differ is named, then the kernel: kernel by kernel, the old module takes the
new body, until its results differ. What was there before the pass is left behind as a file.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.printer import Printer
from xdsl.utils.exceptions import DiagnosticException

from nnc.dialects.kernel import CallOp, FuncOp
from nnc.lowering.pass_specs import file_of
from nnc.lowering.verify_dominance import VerifyDominancePass
from nnc.tools.programs import Array, evaluate, saved_arguments

Results = dict[str, Array]
Evaluate = Callable[[ModuleOp], Results]


class NumericsError(DiagnosticException):
    """A pass that changes results or fails; the text names it."""


@dataclass(frozen=True)
class Difference:
    """The result that differs most, and by how much of its largest entry."""

    name: str
    relative: float
    index: tuple[int, ...]
    expected: float
    given: float

    def __str__(self) -> str:
        return (
            f"'{self.name}' at {list(self.index)} is {self.given:.9g}, before it was "
            f"{self.expected:.9g}: {self.relative:.1e} of the largest entry"
        )


def check(
    ctx: Context, module: ModuleOp, passes: Sequence[ModulePass], options: argparse.Namespace
) -> None:
    """Run `passes` on `module`; a `NumericsError` names the first that changes its results."""
    given = saved_arguments(options.inputs) if options.inputs else {}

    def run(one: ModuleOp) -> Results:
        return evaluate(one, options.seed, given, options.function)

    for name, difference in differences(ctx, module, passes, run, options.tolerance):
        print(f"{name}: {difference.relative:.1e}" if difference else f"{name}: same")
    kept = "1 pass keeps" if len(passes) == 1 else f"{len(passes)} passes keep"
    print(f"{kept} the results")


def differences(
    ctx: Context,
    module: ModuleOp,
    passes: Sequence[ModulePass],
    run: Evaluate,
    tolerance: float,
) -> Iterator[tuple[str, Difference | None]]:
    """Each pass with the difference it makes; raises at the first above the tolerance."""
    expected = run(module)
    for one in passes:
        before = module.clone()
        try:
            one.apply(ctx, module)
            if module.is_structurally_equivalent(before):
                yield one.name, None
                continue
            module.verify()
            VerifyDominancePass().apply(ctx, module)
            results = run(module)
            difference = largest_difference(expected, results)
        except Exception as error:
            raise NumericsError(
                f"{one.name} fails: {type(error).__name__}: {error}\n{reproducer(before, one)}"
            ) from error
        if difference and not difference.relative <= tolerance:
            where = guilty_kernel(before, module, run, tolerance) or "not inside one kernel"
            raise NumericsError(
                f"{one.name} changes the results, {where}\n{difference}\n{reproducer(before, one)}"
            )
        yield one.name, difference
        expected = results | expected  # what a pass adds is compared from here on


def largest_difference(expected: Results, given: Results) -> Difference | None:
    """The largest difference among the results that both have; None where they are equal."""
    common = expected.keys() & given.keys()
    if not common:
        raise NumericsError(f"none of the results {', '.join(expected)} is left")
    found = [_difference(key, expected[key], given[key]) for key in sorted(common)]
    return max((one for one in found if one), key=_size, default=None)


def _size(difference: Difference) -> float:
    return np.inf if np.isnan(difference.relative) else difference.relative


def _difference(name: str, expected: Array, given: Array) -> Difference | None:
    if expected.shape != given.shape:
        raise NumericsError(f"'{name}' has shape {given.shape}, before it was {expected.shape}")
    if np.array_equal(expected, given, equal_nan=True):
        return None
    one, other = np.asarray(expected, np.float64), np.asarray(given, np.float64)
    # Equal infinities and equal NaNs are no difference; a NaN on one side is the largest.
    gap = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, np.abs(one - other))
    index = np.unravel_index(int(np.argmax(np.where(np.isnan(gap), np.inf, gap))), gap.shape)
    scale = float(np.max(np.abs(one), where=np.isfinite(one), initial=0.0)) or 1.0
    place = tuple(map(int, index))
    return Difference(
        name, float(gap[index]) / scale, place, float(one[index]), float(other[index])
    )


def guilty_kernel(before: ModuleOp, after: ModuleOp, run: Evaluate, tolerance: float) -> str | None:
    """The kernel whose new body alone makes the difference, where the pass kept its interface."""
    expected = run(before)
    old, new = kernels(before), kernels(after)
    kept = [n for n, f in old.items() if n in new and new[n].function_type == f.function_type]
    for name in [name for name in kept if not old[name].private]:
        mixed = with_kernel(before, new, name)
        try:
            difference = largest_difference(expected, run(mixed))
        except DiagnosticException:
            continue  # the new body does not fit the old launches
        if difference and not difference.relative <= tolerance:
            return f"in kernel @{name}"
    return None


def kernels(module: ModuleOp) -> dict[str, FuncOp]:
    return {op.sym_name.data: op for op in module.ops if isinstance(op, FuncOp)}


def with_kernel(module: ModuleOp, new: dict[str, FuncOp], name: str) -> ModuleOp:
    """A copy of `module` with kernel `name`, and the micro-kernels it calls, from `new`."""
    copy = module.clone()
    old = kernels(copy)
    for key in with_callees(new, name):
        if key in old:
            old[key].detach()
            old[key].erase()
        copy.body.block.add_op(new[key].clone())
    return copy


def with_callees(functions: dict[str, FuncOp], name: str) -> list[str]:
    """`name` and all it calls, directly or not."""
    reached = [name]
    for one in reached:
        calls = (op for op in functions[one].walk() if isinstance(op, CallOp))
        reached += dict.fromkeys(
            callee for op in calls if (callee := op.callee.string_value()) not in reached
        )
    return reached


def reproducer(module: ModuleOp, one: ModulePass) -> str:
    """Leave `module` in a file of the working directory; say how to run the pass on it."""
    path = Path(f"reproducer-{one.name}.mlir")
    options = f"-p '{one}'"
    if (loaded := file_of(one)) is not None:
        options = f"--load {loaded} {options}"
    with path.open("w") as file:
        file.write(f"// RUN: nnc-opt %s {options}\n")
        Printer(file).print_op(module)
        file.write("\n")
    return f"the module before it: {path}; run nnc-opt {path} {options}"
