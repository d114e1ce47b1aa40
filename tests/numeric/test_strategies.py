"""The strategies of kernels against the interpreter, at the sizes where loops have tails.

Each table is compiled as one module for each target. What one op does is in
`test_ops_compiled.py`; here are the sizes, the axes, and several ops in one kernel.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batch import (
    Batch,
    Build,
    Case,
    below,
    broadcast,
    emulated,
    mistakes,
    normal,
    runnable_targets,
)
from contraction_cases import batched_products, convolutions, epilogues, products
from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.dialects.interfaces import Differentiable
from nnc.dialects.nn import elementwise, functions, indexing, pool, random
from nnc.dialects.nn.base import Unary, insert, shape_of
from nnc.dialects.nn.batch_norm import BatchNormGradOp, BatchNormOp
from nnc.dialects.nn.checkpoint import CheckpointOp
from nnc.dialects.nn.cond import CondOp
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.convolution import ConvOp
from nnc.dialects.nn.normalize import (
    CrossEntropyGradOp,
    CrossEntropyOp,
    LogSoftmaxGradOp,
    LogSoftmaxOp,
    SoftmaxGradOp,
    SoftmaxOp,
)
from nnc.dialects.nn.reduce import ArgmaxOp, CumsumOp, ReduceOp
from nnc.dialects.nn.reverse import is_real, pull_back
from nnc.dialects.nn.scan import ScanOp
from nnc.dialects.nn.structure import YieldOp
from nnc.runtime.pool import (
    reset_workers_that_ran,
    set_threads,
    threads,
    workers_that_ran,
)

TARGETS = runnable_targets()


# Sweeps.


def softmax_of_sum(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    return insert(b, SoftmaxOp(insert(b, functions.TanhOp(insert(b, elementwise.AddOp(x, y)))), 1))


def normalized(b: Builder, x: SSAValue) -> SSAValue:
    """A row less its mean, divided by its deviation: three sweeps."""
    mean = insert(b, ReduceOp("mean", x, (1,)))
    centered = insert(b, elementwise.SubOp(x, broadcast(b, mean, x, 0)))
    square = insert(b, elementwise.MulOp(centered, centered))
    rate = insert(b, functions.RsqrtOp(insert(b, ReduceOp("mean", square, (1,)))))
    return insert(b, elementwise.MulOp(centered, broadcast(b, rate, x, 0)))


def outer_sum(b: Builder, x: SSAValue, y: SSAValue, z: SSAValue) -> SSAValue:
    total = insert(b, elementwise.AddOp(broadcast(b, x, z, 1), broadcast(b, y, z, 0)))
    return insert(b, elementwise.MulOp(total, z))


def softmaxes() -> list[Case]:
    x, g = normal(5, 7, 18), normal(5, 7, 18, seed=1)
    cases: list[Case] = []
    for axis in range(3):
        powers = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
        for op in (SoftmaxOp, LogSoftmaxOp):
            cases.append(Case(f"{op.name} {axis}", partial(op, axis=axis), (x,)))
        cases += [
            Case(f"softmax_grad {axis}", partial(SoftmaxGradOp, axis=axis), (powers, g)),
            Case(f"log_softmax_grad {axis}", partial(LogSoftmaxGradOp, axis=axis),
                 (np.log(powers), g)),
        ]  # fmt: skip
    return cases


def losses() -> list[Case]:
    cases: list[Case] = []
    for rows, classes in ((1, 1), (3, 10), (17, 100), (33, 2)):
        logits, label = normal(rows, classes), below(classes, rows)
        powers = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        size = f"{rows}x{classes}"
        cases += [
            Case(f"cross_entropy {size}", CrossEntropyOp, (logits, label)),
            Case(f"cross_entropy_grad {size}", CrossEntropyGradOp, (powers, label, normal(rows))),
        ]
    return cases


def batch_norms() -> list[Case]:
    cases: list[Case] = []
    for shape in ((33, 7), (4, 3, 5, 6), (2, 17, 1, 1), (5, 1, 4, 20)):
        x, gamma = normal(*shape), normal(shape[1])
        axes = tuple(d for d in range(len(shape)) if d != 1)
        mean, variance = x.mean(axes), x.var(axes)
        gradient = partial(BatchNormGradOp, epsilon=1e-3)
        inputs = (x, gamma, mean, variance, normal(*shape, seed=1))
        cases += [
            Case(f"batch_norm {shape}", partial(BatchNormOp, epsilon=1e-3), (x, gamma, gamma)),
            Case(f"batch_norm_grad {shape}", gradient, inputs),
        ]
    return cases


def reductions() -> list[Case]:
    """Every kind over every subset of four axes, the kinds in turn."""
    kinds = ("sum", "mean", "max", "min", "prod")
    subsets = chain.from_iterable(combinations(range(4), count) for count in range(5))
    x, small = normal(3, 5, 4, 18), normal(2, 3, 1, 7)
    return [
        Case(f"{kind} over {axes} of {values.shape}", partial(ReduceOp, kind, axes=axes), (values,))
        for number, axes in enumerate(subsets)
        for kind, values in ((kinds[number % 5], x), (kinds[(number + 2) % 5], small))
    ]


def long_rows() -> list[Case]:
    """One row: there is nothing outside of it to run in parallel."""
    x = normal(1, 40_003)
    return [
        Case("softmax of one long row", partial(SoftmaxOp, axis=1), (x,)),
        Case("log_softmax of one long row", partial(LogSoftmaxOp, axis=1), (x,)),
        Case("softmax_grad of one long row", partial(SoftmaxGradOp, axis=1), (x, x + 1)),
        Case("normalized long row", normalized, (x,)),
        Case("sum of one long row", partial(ReduceOp, "sum", axes=(0, 1)), (x,), 1e-4),
    ]  # fmt: skip


def sweeps() -> list[Case]:
    return [
        *softmaxes(), *losses(), *batch_norms(), *reductions(), *long_rows(),
        Case("softmax of sum", softmax_of_sum, (normal(5, 33), normal(5, 33, seed=1))),
        Case("normalized", normalized, (normal(7, 65),)),
        Case("outer sum", outer_sum, (normal(19), normal(5), normal(5, 19))),
    ]  # fmt: skip


# Windows, and ops with loops of their own.

WINDOWS: tuple[dict[str, Any], ...] = (
    {"kernel": (2, 2), "strides": (2, 2)},
    {"kernel": (3, 3), "strides": (1, 1)},
    {"kernel": (3, 2), "strides": (2, 1), "low": (1, 1), "high": (1, 0)},
    {"kernel": (3, 3), "strides": (3, 2), "low": (2, 0), "high": (0, 2)},
)


def max_pool_gradient(window: dict[str, Any]) -> Build:
    def build(b: Builder, x: SSAValue) -> SSAValue:
        op = b.insert(pool.MaxPoolOp(x, **window))
        gradient = op.vjp(b, [op.output, None], [True])[0]
        assert gradient is not None
        return gradient

    return build


def windows() -> list[Case]:
    image = normal(2, 3, 9, 20)
    cases: list[Case] = []
    for window in WINDOWS:
        average = partial(pool.AvgPoolOp, count_include_pad=False, **window)
        types = Block(arg_types=[TensorType(f32, image.shape)]).args
        g = normal(*shape_of(average(*types).results[0]))
        for counted in (False, True):
            gradient = partial(
                pool.AvgPoolGradOp, size=(9, 20), count_include_pad=counted, **window
            )
            cases.append(Case(f"avg_pool_grad {window} {counted}", gradient, (g,)))
        cases += [
            Case(f"avg_pool {window}", average, (image,)),
            Case(f"max_pool {window}", partial(pool.MaxPoolOp, **window), (image,), 0),
            Case(f"max_pool gradient {window}", max_pool_gradient(window), (image,)),
        ]
    return cases


def indexed() -> list[Case]:
    x = normal(5, 6, 17)
    flat = partial(indexing.GatherOp, axis=0)
    batched = partial(indexing.GatherOp, axis=1, batch_dims=1)
    scatter = partial(indexing.ScatterAddOp, size=4, axis=0)
    scatter_batched = partial(indexing.ScatterAddOp, size=6, axis=1, batch_dims=1)
    cases = [
        Case("gather rows", flat, (normal(9, 17), below(9, 3, 4)), 0),
        Case("gather numbers", flat, (normal(50), below(50, 70)), 0),
        Case("gather columns", partial(indexing.GatherOp, axis=1), (normal(3, 9), below(9, 33)), 0),
        Case("gather in batches", batched, (normal(3, 9, 5), below(9, 3, 4)), 0),
        Case("gather outside", flat, (normal(4, 3), np.array([-1, 0, 9], np.int32)), 0),
        Case("scatter_add rows", scatter, (normal(40, 17), below(4, 40))),
        Case("scatter_add numbers", scatter, (normal(70), below(4, 70))),
        Case("scatter_add in batches", scatter_batched, (normal(3, 7), below(6, 3, 7))),
    ]
    for axis in range(3):
        cases += [
            Case(f"argmax {axis}", partial(ArgmaxOp, axis=axis), (x,), 0),
            Case(f"cumsum {axis}", partial(CumsumOp, axis=axis), (x,)),
            Case(f"cumsum reverse {axis}", partial(CumsumOp, axis=axis, reverse=True), (x,)),
        ]
    return cases


def draws() -> list[Case]:
    """The same bits as the interpreter, whatever the loops."""
    cases: list[Case] = []
    key, counter = np.array(7, np.int32), np.array(1 << 40, np.int64)
    for shape in ((), (1,), (100,), (3, 17), (2, 3, 5, 7), (65, 64)):
        drawn = TensorType(f32, shape)
        dropout = partial(random.DropoutOp, rate=0.5)
        cases += [
            Case(f"uniform {shape}", partial(random.UniformOp, type=drawn), (key, counter), 0),
            Case(f"normal {shape}", partial(random.NormalOp, type=drawn), (key, counter)),
            Case(f"dropout {shape}", dropout, (normal(*shape), key, counter), 0),
        ]
    return cases


def recurrence(reverse: bool, b: Builder, h: SSAValue, xs: SSAValue, w: SSAValue) -> Operation:
    body = Block(arg_types=[h.type, TensorType(f32, shape_of(xs)[1:]), w.type])
    inside = Builder(InsertPoint.at_end(body))
    moved = insert(inside, MatmulOp(body.args[0], body.args[2]))
    state = insert(inside, functions.TanhOp(insert(inside, elementwise.AddOp(moved, body.args[1]))))
    inside.insert(YieldOp([state, insert(inside, SoftmaxOp(state, 1))]))
    return b.insert(ScanOp(shape_of(xs)[0], [h], [xs], [w], body, reverse=reverse))


def scans() -> list[Case]:
    def build(reverse: bool) -> Build:
        return lambda *values: recurrence(reverse, *values)

    return [
        Case(f"scan {steps} {reverse}", build(reverse),
             (normal(3, 17), normal(steps, 3, 17), normal(17, 17) / 4))
        for steps in (1, 2, 5)
        for reverse in (False, True)
    ]  # fmt: skip


def gradients(build: Callable[..., Operation]) -> Build:
    """The gradients of all results of an op by all its real operands."""

    def built(b: Builder, *values: SSAValue) -> Sequence[SSAValue]:
        op = build(b, *values)
        assert isinstance(op, Differentiable)
        wrt = list(filter(is_real, values))
        seeds = dict[SSAValue, SSAValue]()
        seeds |= {result: insert(b, functions.SinOp(result)) for result in op.results}
        return [g for g in pull_back(b, [op], seeds, wrt) if g is not None]

    return built


def body(captured: Sequence[SSAValue], kind: type[Unary]) -> Block:
    made = Block(arg_types=[value.type for value in captured])
    b, (x, w) = Builder(InsertPoint.at_end(made)), made.args
    y = insert(b, kind(insert(b, MatmulOp(x, w))))
    b.insert(YieldOp([y, insert(b, elementwise.MulOp(y, x))]))
    return made


def choice(b: Builder, predicate: SSAValue, *captured: SSAValue) -> Operation:
    bodies = body(captured, functions.TanhOp), body(captured, functions.SigmoidOp)
    return b.insert(CondOp(predicate, captured, *bodies))


def run_again(b: Builder, *captured: SSAValue) -> Operation:
    return b.insert(CheckpointOp(captured, body(captured, functions.TanhOp)))


def control() -> list[Case]:
    inputs = normal(3, 17), normal(17, 17) / 4
    sequence = normal(3, 17), normal(4, 3, 17), normal(17, 17) / 4
    return [
        *(Case(f"choice {p}", choice, (np.array(p), *inputs)) for p in (False, True)),
        *(Case(f"gradient of choice {p}", gradients(choice), (np.array(p), *inputs))
          for p in (False, True)),
        Case("gradient of checkpoint", gradients(run_again), inputs),
        *(Case(f"gradient of scan {r}", gradients(partial(recurrence, r)), sequence)
          for r in (False, True)),
    ]  # fmt: skip


TABLES = {
    "products": [*products(), *batched_products()],
    "epilogues": epilogues(),
    "convolutions": convolutions(),
    "sweeps": sweeps(),
    "windows": windows(),
    "indexed": indexed(),
    "draws": draws(),
    "scans": scans(),
    "control": control(),
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("target", TARGETS)
def test_agrees_with_the_interpreter(target: str, table: str) -> None:
    assert not Batch(TABLES[table], target).mistakes()


@pytest.mark.parametrize("table", TABLES)
def test_emulated_cuda_agrees_with_the_interpreter(tmp_path: Path, table: str) -> None:
    assert not mistakes(TABLES[table], emulated(TABLES[table], tmp_path))


# Threads: kernels that are worth a fork, with at least four parts.

LARGE = [
    Case("matmul", MatmulOp, (normal(100, 65), normal(65, 300))),
    Case("matmul, packed", partial(MatmulOp, transpose_rhs=True),
         (normal(99, 65), normal(300, 65))),
    Case("matmul, one panel", partial(MatmulOp, transpose_rhs=True),
         (normal(200, 65), normal(10, 65))),
    Case("matmul of one row", MatmulOp, (normal(1, 300), normal(300, 700))),
    Case("conv", ConvOp, (normal(4, 3, 20, 20), normal(16, 3, 3, 3))),
    Case("elementwise", functions.TanhOp, (normal(130, 1000),)),
    Case("softmax", partial(SoftmaxOp, axis=1), (normal(66, 200),)),
    Case("softmax of one row", partial(SoftmaxOp, axis=1), (normal(1, 40_000),)),
    Case("column sums", partial(ReduceOp, "sum", axes=(0,)), (normal(200, 400),)),
    Case("batch_norm", BatchNormOp, (normal(8, 6, 20, 20), normal(6), normal(6))),
    Case("gather", partial(indexing.GatherOp, axis=0), (normal(50, 70), below(50, 300))),
    Case("scatter_add", partial(indexing.ScatterAddOp, size=9, axis=0),
         (normal(300, 700), below(9, 300))),
    Case("max_pool", partial(pool.MaxPoolOp, kernel=(2, 2), strides=(2, 2)),
         (normal(4, 8, 32, 32),)),
    Case("uniform", partial(random.UniformOp, type=TensorType(f32, (100, 100))),
         (np.array(1, np.int32), np.array(2, np.int32))),
]  # fmt: skip


@pytest.fixture
def any_threads() -> Iterator[None]:
    """The number of threads is as before when the test ends."""
    before = threads()
    yield
    set_threads(before)


@pytest.mark.usefixtures("any_threads")
@pytest.mark.parametrize("case", LARGE, ids=lambda case: case.name)
def test_the_same_bits_with_any_number_of_threads(case: Case) -> None:
    batch = Batch([case], TARGETS[0])
    assert not batch.mistakes()
    found: set[bytes] = set()
    for count in (1, 2, 3, 4, 4):
        set_threads(count)
        reset_workers_that_ran()
        found.add(b"".join(result.tobytes() for result in batch.run()[0]))
        assert workers_that_ran() == count
    assert len(found) == 1
