"""Empty and single elements, every element type, NaN and infinities, against the interpreter."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from batch import ELEMENTS, Array, Batch, Case, emulated, mistakes, normal, runnable_targets
from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType, bf16, f16, f32, f64
from xdsl.ir import Attribute, SSAValue

from nnc.dialects.nn import elementwise, functions, indexing, pool, random, rounding
from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.batch_norm import BatchNormOp
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.convolution import ConvOp
from nnc.dialects.nn.normalize import CrossEntropyGradOp, CrossEntropyOp, LogSoftmaxOp, SoftmaxOp
from nnc.dialects.nn.reduce import ArgmaxOp, BroadcastOp, CumsumOp, ReduceOp
from nnc.dialects.nn.shape import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp

NAN, INF = np.nan, np.inf


def numbers(dtype: str, *sizes: int) -> Array:
    """Whole numbers that all types hold, and those with a sign also negative."""
    low = 0 if dtype in ("bool", "uint8") else -9
    high = 2 if dtype == "bool" else 9
    return np.random.default_rng([len(dtype), *sizes]).integers(low, high, sizes).astype(dtype)


# Empty tensors.


def joined(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    return insert(b, ConcatOp([x, y], 0))


def empty() -> list[Case]:
    none, rows, one = normal(0), normal(0, 5), normal(5, 0)
    return [
        Case("add", elementwise.AddOp, (none, none), 0),
        Case("tanh", functions.TanhOp, (rows,), 0),
        Case("matmul without rows", MatmulOp, (rows, normal(5, 17)), 0),
        Case("matmul without lanes", MatmulOp, (normal(17, 5), one), 0),
        Case("matmul without terms", MatmulOp, (one, normal(0, 7)), 0),
        Case("matmul without batches", MatmulOp, (normal(0, 3, 5), normal(0, 5, 4)), 0),
        Case("sum of nothing", partial(ReduceOp, "sum", axes=(1,)), (one,), 0),
        Case("sum of no columns", partial(ReduceOp, "sum", axes=(0,)), (one,), 0),
        Case("product of nothing", partial(ReduceOp, "prod", axes=(0, 1)), (one,), 0),
        Case("softmax without rows", partial(SoftmaxOp, axis=1), (rows,), 0),
        Case("transpose", partial(TransposeOp, permutation=(1, 0)), (rows,), 0),
        Case("reshape", partial(ReshapeOp, shape=(0, 3)), (rows,), 0),
        Case("broadcast", partial(BroadcastOp, shape=(4, 0), dimensions=(1,)), (none,), 0),
        Case("pad", partial(PadOp, low=(1, 0), high=(0, 2), value=3.0), (rows,), 0),
        Case("slice", partial(SliceOp, starts=(2, 0), limits=(2, 3)), (normal(4, 5),), 0),
        Case("concat", joined, (rows, normal(3, 5)), 0),
        Case("gather", partial(indexing.GatherOp, axis=0), (normal(4, 3), numbers("int32", 0)), 0),
        Case("scatter_add", partial(indexing.ScatterAddOp, size=3, axis=0),
             (rows, numbers("int32", 0)), 0),
        Case("cumsum", partial(CumsumOp, axis=0), (rows,), 0),
        Case("argmax", partial(ArgmaxOp, axis=1), (rows,), 0),
        Case("conv", ConvOp, (normal(0, 2, 5, 5), normal(3, 2, 3, 3)), 0),
        Case("max_pool", partial(pool.MaxPoolOp, kernel=(2, 2), strides=(2, 2)),
             (normal(0, 2, 4, 4),), 0),
    ]  # fmt: skip


# Single elements.


def normalized(b: Builder, x: SSAValue) -> SSAValue:
    mean = insert(b, ReduceOp("mean", x, (0, 1)))
    return insert(b, elementwise.SubOp(x, insert(b, BroadcastOp(mean, shape_of(x), ()))))


def single() -> list[Case]:
    number, one, image = normal(), normal(1, 1), normal(1, 1, 1, 1)
    index = np.array([0], np.int32)
    return [
        Case("scalar", elementwise.MulOp, (number, number)),
        Case("scalar tanh", functions.TanhOp, (number,)),
        Case("scalar sum", partial(ReduceOp, "sum", axes=()), (number,)),
        Case("scalar to tensor", partial(BroadcastOp, shape=(3, 5), dimensions=()), (number,), 0),
        Case("scalar reshape", partial(ReshapeOp, shape=(1, 1)), (number,), 0),
        Case("matmul", MatmulOp, (one, one)),
        Case("softmax", partial(SoftmaxOp, axis=1), (one,)),
        Case("log_softmax", partial(LogSoftmaxOp, axis=0), (normal(1, 5),)),
        Case("cross_entropy", CrossEntropyOp, (one, index)),
        Case("normalized", normalized, (one,)),
        Case("batch_norm", BatchNormOp, (image, normal(1), normal(1))),
        Case("conv", ConvOp, (image, image)),
        Case("conv of one position", ConvOp, (normal(1, 1, 3, 3), normal(1, 1, 3, 3))),
        Case("max_pool", partial(pool.MaxPoolOp, kernel=(1, 1), strides=(1, 1)), (image,), 0),
        Case("argmax", partial(ArgmaxOp, axis=0), (normal(1),), 0),
        Case("cumsum", partial(CumsumOp, axis=0), (normal(1),), 0),
        Case("gather", partial(indexing.GatherOp, axis=0), (normal(1), index), 0),
        Case("inner ones", partial(ReduceOp, "max", axes=(1, 3)), (normal(3, 1, 17, 1),), 0),
    ]


# Element types.


def cast_product(element: Attribute) -> Callable[..., SSAValue]:
    """A product whose result is stored in another type."""

    def build(b: Builder, x: SSAValue, w: SSAValue) -> SSAValue:
        return insert(b, elementwise.CastOp(insert(b, MatmulOp(x, w)), element))

    return build


def added_to_product(b: Builder, x: SSAValue, w: SSAValue, r: SSAValue) -> SSAValue:
    """A product and a tensor of another type."""
    cast = insert(b, elementwise.CastOp(r, f32))
    return insert(b, elementwise.AddOp(insert(b, MatmulOp(x, w)), cast))


def compared_product(b: Builder, x: SSAValue, w: SSAValue, r: SSAValue) -> list[SSAValue]:
    """A mask of a product, stored and used."""
    product = insert(b, MatmulOp(x, w))
    mask = insert(b, elementwise.CompareOp("lt", product, r))
    return [mask, insert(b, elementwise.SelectOp(mask, product, r))]


def kept_turned(element: Attribute) -> Callable[..., SSAValue]:
    """A tensor of another type that lies in memory between two kernels."""

    def build(b: Builder, x: SSAValue) -> SSAValue:
        kept = insert(b, elementwise.CastOp(insert(b, functions.ReluOp(x)), element))
        turned = insert(b, TransposeOp(kept, (1, 0)))
        return insert(b, elementwise.CastOp(turned, f32))

    return build


def masked(b: Builder, m: SSAValue, x: SSAValue, y: SSAValue) -> SSAValue:
    return insert(b, elementwise.SelectOp(m, x, y))


def typed() -> list[Case]:
    x, w = numbers("float32", 5, 9), numbers("float32", 9, 35)
    cases = [Case("compared product", compared_product, (x, w, normal(5, 35)), 0)]
    for dtype, element in ELEMENTS.items():
        a, b = numbers(dtype, 3, 35), numbers(dtype, 35, 3).T.copy()
        mask = numbers("bool", 3, 35)
        image = numbers(dtype, 1, 2, 6, 9)
        cases += [
            Case(f"product as {dtype}", cast_product(element), (x, w), 0),
            Case(f"kept {dtype}", kept_turned(element), (x,), 0),
            Case(f"product and {dtype}", added_to_product, (x, w, numbers(dtype, 5, 35)), 0),
            Case(f"select {dtype}", masked, (mask, a, b), 0),
            Case(f"one_hot {dtype}", partial(indexing.OneHotOp, size=4, element=element),
                 (numbers("int64", 7) % 5,), 0),
            *(Case(f"{kind} of {dtype}", partial(ReduceOp, kind, axes=(0, 1)), (a,), 0)
              for kind in ("max", "min")),
            Case(f"compare {dtype}", partial(elementwise.CompareOp, "le"), (a, b), 0),
            Case(f"transpose {dtype}", partial(TransposeOp, permutation=(1, 0)), (a,), 0),
            Case(f"pad {dtype}", partial(PadOp, low=(1, 2), high=(0, 1), value=1.0), (a,), 0),
            Case(f"gather {dtype}", partial(indexing.GatherOp, axis=0),
                 (a, numbers("int32", 4) % 3), 0),
            Case(f"broadcast {dtype}", partial(BroadcastOp, shape=(7, 35), dimensions=(1,)),
                 (a[0].copy(),), 0),
            *(
                Case(f"{dtype} as {other}", partial(elementwise.CastOp, element=to), (a,), 0)
                for other, to in ELEMENTS.items()
            ),
        ]  # fmt: skip
        if dtype == "bool":
            continue
        cases += [
            Case(f"scatter_add {dtype}", partial(indexing.ScatterAddOp, size=3, axis=0),
                 (a, numbers("int32", 3) % 3), 0),
            Case(f"concat {dtype}", joined, (a, b), 0),
            Case(f"slice {dtype}", partial(SliceOp, starts=(1, 3), limits=(3, 30), strides=(1, 4)),
                 (a,), 0),
            Case(f"add {dtype}", elementwise.AddOp, (a, b), 0),
            Case(f"max {dtype}", elementwise.MaxOp, (a, b), 0),
            Case(f"matmul {dtype}", MatmulOp, (numbers(dtype, 3, 5), numbers(dtype, 5, 17)), 0),
            Case(f"argmax {dtype}", partial(ArgmaxOp, axis=1), (a,), 0),
            Case(f"cumsum {dtype}", partial(CumsumOp, axis=1), (a,), 0),
            Case(f"max_pool {dtype}", partial(pool.MaxPoolOp, kernel=(2, 3), strides=(2, 1)),
                 (image,), 0),
            *(
                Case(f"{kind} {dtype}", partial(ReduceOp, kind, axes=(1,)), (a,), 0)
                for kind in ("sum", "max", "min", "prod")
            ),
        ]  # fmt: skip
    return cases


def doubles() -> list[Case]:
    """The correctness mode: f64 all the way."""
    x = normal(3, 35).astype(np.float64)
    image, kernel = normal(2, 3, 7, 8).astype(np.float64), normal(4, 3, 3, 3).astype(np.float64)
    gamma, beta = image[0, :, 0, 0].copy(), image[1, :, 0, 0].copy()
    label = np.array([3, 0, 34], np.int32)
    tolerance = 1e-12
    return [
        Case("f64 matmul", MatmulOp, (x, normal(35, 17).astype(np.float64)), tolerance),
        Case("f64 softmax", partial(SoftmaxOp, axis=1), (x,), tolerance),
        Case("f64 cross_entropy", CrossEntropyOp, (x, label), tolerance),
        Case("f64 conv", partial(ConvOp, low=(1, 1), high=(1, 1)), (image, kernel), tolerance),
        Case("f64 batch_norm", BatchNormOp, (image, gamma, beta), tolerance),
        Case("f64 gelu", functions.GeluOp, (x,), tolerance),
        Case("f64 erf", functions.ErfOp, (x,), tolerance),
        Case("f64 max_pool", partial(pool.MaxPoolOp, kernel=(2, 2), strides=(2, 2)), (image,), 0),
    ]  # fmt: skip


# NaN, infinities, denormals and both zeros.

TINY = np.array([0.0, -0.0, 1e-45, -1e-45, 1e-40, -1e-40, 1.2e-38, -1.2e-38], np.float32)


def strange() -> list[Case]:
    """Rows with NaN, with each infinity, with both, at the front, in a tail and everywhere."""
    x = normal(8, 35)
    x[1, 3] = x[2, 34] = x[3, 0] = x[3, 20] = NAN
    x[4, 7], x[4, 33], x[5, 16], x[6, 2] = INF, -INF, INF, -INF
    x[7, :] = -INF
    y = np.roll(x, 1, axis=0).copy()
    no_class = np.array([-1, 0, 5, 34, 35, 2**31, 2**32, -(2**63)])
    image = np.tile(x[:, :18].reshape(1, 2, 4, 18), (1, 1, 2, 1))
    cases = [
        *(
            Case(f"{op.name} of tiny", op, (TINY,), 0)
            for op in (functions.ReluOp, functions.AbsOp, functions.SignOp, functions.SqrtOp,
                       elementwise.NegOp, rounding.FloorOp, rounding.RoundOp)
        ),
        Case("tiny sums", elementwise.AddOp, pairs_of(TINY), 0),
        Case("tiny products", elementwise.MulOp, (TINY, np.full_like(TINY, 0.75)), 0),
        Case("tiny as f64", partial(elementwise.CastOp, element=f64), (TINY,), 0),
        Case("tiny from f64", partial(elementwise.CastOp, element=f32),
             (np.append(TINY * np.float64(0.75), [1e-46, -1e-300]),), 0),
        Case("clamped tiny", partial(elementwise.ClampOp, low=-1e-41, high=1e-41), (TINY,), 0),
        Case("max of two", elementwise.MaxOp, (x, y), 0),
        Case("min of two", elementwise.MinOp, (x, y), 0),
        Case("relu", functions.ReluOp, (x,), 0),
        Case("abs", functions.AbsOp, (x,), 0),
        Case("clamp", partial(elementwise.ClampOp, low=-1.0, high=1.0), (x,), 0),
        Case("exp", elementwise.ExpOp, (x,)),
        Case("log", elementwise.LogOp, (x,)),
        Case("tanh", functions.TanhOp, (x,)),
        Case("sigmoid", functions.SigmoidOp, (x,)),
        Case("erf", functions.ErfOp, (x,)),
        Case("sqrt", functions.SqrtOp, (x,)),
        Case("matmul", MatmulOp, (x, normal(35, 17))),
        Case("cross_entropy", CrossEntropyOp, (x, np.arange(8, dtype=np.int32))),
        Case("cross_entropy of no class", CrossEntropyOp, (normal(8, 35), no_class)),
        Case("cross_entropy_grad of no class", CrossEntropyGradOp,
             (normal(8, 35), no_class, normal(8))),
        Case("max_pool", partial(pool.MaxPoolOp, kernel=(3, 3), strides=(2, 1), low=(1, 1),
                                 high=(1, 1)), (image,), 0),
        Case("max_pool of nothing but -inf", partial(pool.MaxPoolOp, kernel=(3, 3),
             strides=(2, 1), low=(1, 1), high=(1, 1)), (np.full_like(image, -INF),), 0),
    ]  # fmt: skip
    for predicate in elementwise.PREDICATES:
        compare = partial(elementwise.CompareOp, predicate)
        cases.append(Case(f"compare {predicate}", compare, (x, y), 0))
        cases.append(Case(f"compare tiny {predicate}", compare, pairs_of(TINY), 0))
    for axis in (0, 1):
        cases += [
            Case(f"max over {axis}", partial(ReduceOp, "max", axes=(axis,)), (x,), 0),
            Case(f"min over {axis}", partial(ReduceOp, "min", axes=(axis,)), (x,), 0),
            Case(f"sum over {axis}", partial(ReduceOp, "sum", axes=(axis,)), (x,)),
            Case(f"softmax over {axis}", partial(SoftmaxOp, axis=axis), (x,)),
            Case(f"log_softmax over {axis}", partial(LogSoftmaxOp, axis=axis), (x,)),
            Case(f"argmax over {axis}", partial(ArgmaxOp, axis=axis), (x,), 0),
            Case(f"cumsum over {axis}", partial(CumsumOp, axis=axis), (x,)),
        ]
    return cases


# Half precision: what lies between two numbers, and at the ends.


def around(halves: Array, wide: str) -> Array:
    """Numbers of 16 bits, the middle between neighbours, and what is next to those."""
    with np.errstate(all="ignore"):
        low, high = halves[:-1].astype(wide), halves[1:].astype(wide)
        middle = low / 2 + high / 2
        near = [np.nextafter(middle, end) for end in (np.zeros_like(low), np.full_like(low, INF))]
    return np.concatenate([low, middle, *near])


def pairs_of(x: Array) -> tuple[Array, Array]:
    """Each number with each."""
    return x.repeat(len(x)), np.tile(x, len(x))


def halves() -> list[Case]:
    cases: list[Case] = []
    for dtype, element in (("float16", f16), ("bfloat16", bf16)):
        bits = np.unique(np.r_[0:65536:211, 0:3, 0x3FE:0x402, 0x7BFE:0x7C02, 0x7F7E:0x7F82])
        numbers = np.r_[bits, bits + 1, bits | 0x8000].astype(np.uint16).view(dtype)
        x = np.array([0.0, -0.0, INF, -INF, NAN, 1.5, -300.0, 3e4, 1e-7, -2.0], dtype)
        pairs, unlike = pairs_of(x), pairs_of(x[2:])
        cases += [
            Case(f"{dtype} to f32", partial(elementwise.CastOp, element=f32), (numbers,), 0),
            Case(f"f32 to {dtype}", partial(elementwise.CastOp, element=element),
                 (around(numbers, "f4"),), 0),
            Case(f"f64 to {dtype}", partial(elementwise.CastOp, element=element),
                 (around(numbers, "f8"),), 0),
            Case(f"{dtype} uniform", partial(random.UniformOp, type=TensorType(element, [9999])),
                 (np.array(7), np.array(3)), 0),
            Case(f"{dtype} relu", functions.ReluOp, (x,), 0),
            Case(f"{dtype} clamp", partial(elementwise.ClampOp, low=-1.0, high=1.0), (x,), 0),
            Case(f"{dtype} product", elementwise.MulOp, pairs, 0),
            Case(f"{dtype} max", elementwise.MaxOp, unlike, 0),
            Case(f"{dtype} lt", partial(elementwise.CompareOp, "lt"), pairs, 0),
            Case(f"{dtype} sum beyond", partial(ReduceOp, "sum", axes=(0,)),
                 (np.full(35, 3e4, dtype),), 0),
            Case(f"{dtype} mean", partial(ReduceOp, "mean", axes=(0,)),
                 (np.full(35, 3e4, dtype),), 0),
        ]  # fmt: skip
    return cases


# Casts to integers, at the ends of what they hold.


def ends() -> list[Case]:
    edges = [0.0, -0.0, 0.9, -0.9, NAN, INF, -INF, 1e-40, 1e30, -1e30]
    edges += [sign * (2.0**bits + d) for bits in (7, 8, 31, 63) for sign in (1, -1)
              for d in (-1.0, 0.0, 1.0)]  # fmt: skip
    integers = ("int8", "uint8", "int32", "int64")
    limits = {name: np.iinfo(name) for name in integers}
    wide = {
        name: np.array([0, 1, limit.max, limit.min, limit.max - 1, 200 % limit.max], name)
        for name, limit in limits.items()
    }
    divided = {
        name: np.append(x[:5], x[:1] - 1 if name == "uint8" else -1).astype(name)
        for name, x in wide.items()
    }
    return [
        *(
            Case(f"{source} ends to {name}", partial(elementwise.CastOp, element=ELEMENTS[name]),
                 (np.array(edges).astype(source),), 0)
            for source in ("float32", "float64") for name in (*integers, "bool")
        ),
        *(
            Case(f"{source} ends to {name}", partial(elementwise.CastOp, element=ELEMENTS[name]),
                 (values,), 0)
            for source, values in wide.items() for name in (*integers, "bool", "float32")
        ),
        *(
            Case(f"{op.name} wraps {name}", op, (values, values[::-1].copy()), 0)
            for name, values in wide.items()
            for op in (elementwise.AddOp, elementwise.SubOp, elementwise.MulOp, elementwise.MaxOp,
                       elementwise.MinOp)
        ),
        *(
            Case(f"{op.name} {name}", op, (x.repeat(6), np.tile(x, 6)), 0)
            for name, x in divided.items() for op in (rounding.ModOp, rounding.FloorDivOp)
        ),
        *(
            Case(f"clamp {name}", partial(elementwise.ClampOp, low=low, high=high), (x,), 0)
            for name, x in wide.items()
            for low, high in ((-1.5, 100.5), (-INF, 3), (1, INF), (1e19, 2e19), (-2e19, -1e19))
        ),
        *(Case(f"negated {name}", elementwise.NegOp, (x,), 0) for name, x in wide.items()),
        *(Case(f"abs of {name}", functions.AbsOp, (x,), 0) for name, x in wide.items()),
        *(Case(f"wrapped {name}, compared", wrapped_and_compared, (x,), 0)
          for name, x in wide.items()),
    ]  # fmt: skip


def wrapped_and_compared(b: Builder, x: SSAValue) -> SSAValue:
    """A sum that wraps around is small in the same kernel, too."""
    return insert(b, elementwise.CompareOp("lt", insert(b, elementwise.AddOp(x, x)), x))


TABLES = {
    "empty": empty(),
    "single": single(),
    "typed": typed(),
    "doubles": doubles(),
    "strange": strange(),
    "halves": halves(),
    "ends": ends(),
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("target", runnable_targets())
def test_agrees_with_the_interpreter(target: str, table: str) -> None:
    assert not Batch(TABLES[table], target).mistakes()


@pytest.mark.parametrize("table", TABLES)
def test_emulated_cuda_agrees_with_the_interpreter(tmp_path: Path, table: str) -> None:
    assert not mistakes(TABLES[table], emulated(TABLES[table], tmp_path))
