"""What tests of ops share, as fixtures.

* `parse`, `round_trip`, `invalid`    text to modules and back, and the message of an error
* `evaluate`                          the results of a few ops, interpreted
* `gradcheck`                         gradient rules against central differences in f64
* `check_scalar`                      `Structured` against the op's meaning, point by point
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from io import StringIO
from itertools import combinations
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, settings
from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import AnyFloat, ModuleOp, TensorType, f32, f64, i1, i8, i32, i64
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import ParseError, VerifyException

from nnc.compilation import compiler
from nnc.dialects.interfaces import Access, Differentiable, Structured
from nnc.dialects.interpret import run
from nnc.dialects.meaning.loop import holds
from nnc.dialects.nn.base import element_of, insert
from nnc.dialects.nn.elementwise import AddOp
from nnc.dialects.scalars import ui8
from nnc.lowering.pass_specs import load
from nnc.tools.nnc_opt import DIALECTS

settings.register_profile(
    "suite", deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile("tests", settings.get_profile("suite"), derandomize=True)
settings.register_profile(
    "fuzz", settings.get_profile("suite"), max_examples=int(os.environ.get("EXAMPLES", "5000"))
)
settings.load_profile("tests")

Array = npt.NDArray[Any]
Values = Sequence[SSAValue]
Build = Callable[..., "SSAValue | Values | Operation"]
"""The class of an op, perhaps `partial`; or `build(b, *values)`, which inserts ops on the values
and returns the results to look at."""

ELEMENTS: dict[str, Attribute] = {
    "float32": f32,
    "float64": f64,
    "bool": i1,
    "int8": i8,
    "uint8": ui8,
    "int32": i32,
    "int64": i64,
}
STEP = 1e-5
"""Of central differences, relative to the input."""


def parse_module(text: str) -> ModuleOp:
    context = Context()
    for name, reference in DIALECTS.items():
        context.register_dialect(name, lambda reference=reference: load(reference))
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def printed(module: ModuleOp, *, generic: bool = False) -> str:
    stream = StringIO()
    Printer(stream, print_generic_format=generic).print_op(module)
    return stream.getvalue()


def is_real(value: SSAValue) -> bool:
    return isinstance(element_of(value), AnyFloat)


def types_of(inputs: Iterable[Array]) -> list[Attribute]:
    return [TensorType(ELEMENTS[str(x.dtype)], x.shape) for x in inputs]


def results_of(b: Builder, build: Build, values: Values) -> list[SSAValue]:
    built = build(*values) if isinstance(build, type | partial) else build(b, *values)
    match built:
        case SSAValue():
            return [built]
        case Operation():
            return list(b.insert(built).results if built.parent is None else built.results)
        case _:
            return list(built)


def module_of(build: Build, types: Sequence[Attribute]) -> ModuleOp:
    """A module whose `main` takes these types and returns what `build` returns."""
    block = Block(arg_types=types)
    b = Builder(InsertPoint.at_end(block))
    results = results_of(b, build, block.args)
    block.add_op(ReturnOp(*results))
    function = FuncOp("main", (list(types), [r.type for r in results]), Region(block))
    module = ModuleOp([function])
    module.verify()
    return module


def evaluate_ops(build: Build, *inputs: Array) -> list[Array]:
    return run(module_of(build, types_of(inputs)), inputs)


def pull_back(b: Builder, results: Values, seeds: Values, wrt: Values) -> list[SSAValue | None]:
    """Reverse mode over all ops so far, checking that rules give what was asked for."""
    ops, active = list(b.insertion_point.block.ops), set(wrt)
    adjoints: dict[SSAValue, SSAValue] = {}

    def add(value: SSAValue, cotangent: SSAValue) -> None:
        known = adjoints.get(value)
        adjoints[value] = cotangent if known is None else insert(b, AddOp(known, cotangent))

    for result, seed in zip(results, seeds, strict=True):
        add(result, seed)
    for op in ops:
        if any(operand in active for operand in op.operands):
            active.update(filter(is_real, op.results))
    for op in reversed(ops):
        grads = [adjoints.get(result) for result in op.results]
        needed = [operand in active for operand in op.operands]
        if not any(needed) or all(g is None for g in grads):
            continue
        assert isinstance(op, Differentiable), f"{op.name} has no gradient"
        cotangents = op.vjp(b, grads, needed)
        for operand, need, cotangent in zip(op.operands, needed, cotangents, strict=True):
            assert need or cotangent is None, f"{op.name} gives a gradient nobody needs"
            if cotangent is not None:
                assert cotangent.type == operand.type, f"{op.name}: a gradient has another type"
                add(operand, cotangent)
    return [adjoints.get(value) for value in wrt]


def gradient_of(build: Build, inputs: int, wrt: Sequence[int]) -> Build:
    """Takes the inputs and a cotangent for each real result; gives gradients where not zero."""

    def build_gradient(b: Builder, *values: SSAValue) -> list[SSAValue]:
        real = [r for r in results_of(b, build, values[:inputs]) if is_real(r)]
        found = pull_back(b, real, values[inputs:], [values[i] for i in wrt])
        return [g for g in found if g is not None]

    return build_gradient


def zero_gradients(build: Build, inputs: Sequence[Array], wrt: Sequence[int]) -> list[bool]:
    """For which inputs the gradient is known to be zero."""
    zero: list[bool] = []

    def build_results(b: Builder, *values: SSAValue) -> Values:
        results = results_of(b, build, values)
        real = [r for r in results if is_real(r)]
        found = pull_back(b, real, real, [values[i] for i in wrt])
        zero.extend(g is None for g in found)
        return results

    module_of(build_results, types_of(inputs))
    return zero


def differences(build: Build, inputs: Sequence[Array], seeds: Sequence[Array], i: int) -> Array:
    """The gradient of `sum(seed * result)` for input `i`, by central differences."""
    module = module_of(build, types_of(inputs))
    slope = np.zeros_like(inputs[i])

    def objective(position: tuple[int, ...], step: float) -> float:
        moved = [np.array(x) for x in inputs]
        moved[i][position] += step
        real = [r for r in run(module, moved) if r.dtype == np.float64]
        return sum(float(np.sum(r * seed)) for r, seed in zip(real, seeds, strict=True))

    for position in np.ndindex(slope.shape):
        step = STEP * max(1.0, abs(float(inputs[i][position])))
        change = objective(position, step) - objective(position, -step)
        slope[position] = change / (2 * step)
    return slope


def check_gradients(build: Build, *inputs: Array, order: int = 1) -> None:
    """Compares the rules with differences: for each set of real inputs, up to a given order."""
    generator = np.random.default_rng(0)
    real = [i for i, x in enumerate(inputs) if x.dtype == np.float64]
    results = evaluate_ops(build, *inputs)
    seeds = [generator.uniform(0.5, 1.5, r.shape) for r in results if r.dtype == np.float64]
    expected = {i: differences(build, inputs, seeds, i) for i in real}
    for count in range(1, len(real) + 1):
        for wrt in combinations(real, count):
            found = iter(evaluate_ops(gradient_of(build, len(inputs), wrt), *inputs, *seeds))
            for i, zero in zip(wrt, zero_gradients(build, inputs, wrt), strict=True):
                gradient = np.zeros_like(inputs[i]) if zero else next(found)
                scale = max(1.0, float(np.max(np.abs(expected[i]), initial=0.0)))
                error = np.max(np.abs(gradient - expected[i]), initial=0.0) / scale
                assert error <= 1e-6, f"input {i} of {wrt}:\n{gradient}\n{expected[i]}"
    if order > 1:
        check_gradients(gradient_of(build, len(inputs), real), *inputs, *seeds, order=order - 1)


def points(op: Structured, sizes: Sequence[int], operands: Sequence[Array]) -> list[list[Array]]:
    """What `scalar` gives at each point of the domain, one array per value."""
    accesses = op.accesses()
    types = [element_of(operand) for operand in op.operands]

    def build(b: Builder, *values: SSAValue) -> Values:
        index = values[len(operands) :] if op.uses_index() else ()
        return op.scalar(b, values[: len(operands)], lambda d: index[d])

    module = module_of(build, [*types, *[i32] * len(sizes)])
    return [
        run(module, [*map(partial(element_at, point), accesses, operands), *np.array(point, "i4")])
        for point in np.ndindex(*sizes)
    ]


def element_at(point: tuple[int, ...], access: Access, operand: Array) -> Array:
    """What an op reads of an operand at a point of its domain."""
    if access.guard and not all(holds(c, point) for c in access.guard.constraints):
        return np.asarray(access.fill, operand.dtype)
    return np.asarray(operand[access.map.eval(point, ())])


COMBINE: dict[str, Any] = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}


def check_structured(build: Build, *inputs: Array) -> None:
    """Computes one op by its domain, accesses, scalars and reductions; expects its meaning."""
    module = module_of(build, types_of(inputs))
    function = cast(FuncOp, module.body.block.first_op)
    op = function.body.block.first_op
    assert isinstance(op, Structured)
    domain = op.domain()
    rows = points(op, domain.sizes, [inputs[function.args.index(o)] for o in op.operands])
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    kinds = op.reductions() or ["sum"] * len(columns)
    combined = [
        COMBINE[kind].reduce(column.reshape(*domain.parallel, -1), -1, column.dtype)
        for kind, column in zip(kinds, columns, strict=True)
    ]
    results = finalized(op, combined)
    for result, expected in zip(results, run(module, inputs), strict=True):
        assert result.shape == expected.shape
        assert result.dtype == expected.dtype
        np.testing.assert_allclose(result, expected, rtol=1e-13, atol=1e-300)


def finalized(op: Structured, combined: Sequence[Array]) -> list[Array]:
    """`finalize` of each element."""
    if not op.reductions():
        return list(combined)

    def build(b: Builder, *values: SSAValue) -> Values:
        return op.finalize(b, values)

    module = module_of(build, [ELEMENTS[str(x.dtype)] for x in combined])
    results = [run(module, row) for row in zip(*(x.reshape(-1) for x in combined), strict=True)]
    return [np.array(c).reshape(combined[0].shape) for c in zip(*results, strict=True)]


@pytest.fixture(scope="session", autouse=True)
def verified() -> Iterator[None]:
    """Programs are verified as the frontend wrote them: in tests, so that no user waits for it."""
    write = compiler.frontend_module

    def written(*given: Any) -> ModuleOp:
        module = write(*given)
        module.verify()
        return module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "frontend_module", written)
        yield


@pytest.fixture(scope="session")
def parse() -> Callable[[str], ModuleOp]:
    """A verified module."""
    return parse_module


@pytest.fixture(scope="session")
def round_trip() -> Callable[[str], str]:
    """The module as printed, after it survived both syntaxes."""

    def check(text: str) -> str:
        first = printed(parse_module(text))
        again = parse_module(printed(parse_module(first), generic=True))
        assert printed(again) == first
        return first

    return check


@pytest.fixture(scope="session")
def invalid() -> Callable[[str], str]:
    """The message that says what is wrong with a module."""

    def message(text: str) -> str:
        with pytest.raises((VerifyException, ParseError)) as error:
            parse_module(text)
        return str(error.value)

    return message


@pytest.fixture(scope="session")
def evaluate() -> Callable[..., list[Array]]:
    """`evaluate(build, *inputs)`: the results."""
    return evaluate_ops


@pytest.fixture(scope="session")
def gradcheck() -> Callable[..., None]:
    """`gradcheck(build, *inputs, order=1)`: f64 inputs are differentiated, others are not."""
    return check_gradients


@pytest.fixture(scope="session")
def check_scalar() -> Callable[..., None]:
    """`check_scalar(build, *inputs)` of one `Structured` op."""
    return check_structured
