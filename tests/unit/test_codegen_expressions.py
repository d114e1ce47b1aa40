"""Every arith and math op that C is printed for, on scalars and vectors, against numpy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled import execute
from numpy.typing import NDArray

Array = NDArray[Any]
FLOATS = [0.0, -0.0, 1.5, -2.5, 3.0, 1e-40, -3e38, np.inf, -np.inf, np.nan, 0.1, 7.75]
INTEGERS = [0, 1, -1, 2, -7, 100, 2**31 - 1, -(2**31), 12345, -98765, 3, 65536]
COUNT = 144
"""All pairs of the 12 values."""

MLIR = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64, "i1": np.bool_}


def pairs(kind: str) -> tuple[Array, Array]:
    values = np.array(FLOATS if kind[0] == "f" else INTEGERS, MLIR[kind])
    return np.repeat(values, 12), np.tile(values, 12)


def nonzero(y: Array) -> Array:
    return np.where((y == 0) | (y == -1), y.dtype.type(3), y)


def unsigned(x: Array) -> Array:
    return x.view(np.uint32 if x.itemsize == 4 else np.uint64)


def truncated_quotient(x: Array, y: Array) -> Array:
    return np.array(
        [
            int(abs(int(a)) // abs(int(b))) * (1 if (a < 0) == (b < 0) else -1)
            for a, b in zip(x, y, strict=True)
        ],
        x.dtype,
    )


Meaning = Callable[[Array, Array], Array]
FLOAT_OPS: dict[str, Meaning] = {
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "arith.maxnumf": np.fmax,
    "arith.minnumf": np.fmin,
    "math.copysign": np.copysign,
}
UNARY_OPS: dict[str, Callable[[Array], Array]] = {
    "arith.negf": np.negative,
    "math.absf": np.abs,
    "math.sqrt": np.sqrt,
    "math.floor": np.floor,
    "math.ceil": np.ceil,
    "math.trunc": np.trunc,
    "math.roundeven": np.rint,
    "math.rsqrt": lambda x: x.dtype.type(1) / np.sqrt(x),
}
INTEGER_OPS: dict[str, Meaning] = {
    "arith.addi": np.add,
    "arith.subi": np.subtract,
    "arith.muli": np.multiply,
    "arith.andi": np.bitwise_and,
    "arith.ori": np.bitwise_or,
    "arith.xori": np.bitwise_xor,
    "arith.minsi": np.minimum,
    "arith.maxsi": np.maximum,
    "arith.minui": lambda x, y: np.where(unsigned(x) < unsigned(y), x, y),
    "arith.maxui": lambda x, y: np.where(unsigned(x) > unsigned(y), x, y),
}
FLOAT_PREDICATES: dict[str, Meaning] = {
    "oeq": np.equal,
    "ogt": np.greater,
    "oge": np.greater_equal,
    "olt": np.less,
    "ole": np.less_equal,
    "one": lambda x, y: (x < y) | (x > y),
    "ord": lambda x, y: ~(np.isnan(x) | np.isnan(y)),
    "ueq": lambda x, y: ~((x < y) | (x > y)),
    "ugt": lambda x, y: ~(x <= y),
    "uge": lambda x, y: ~(x < y),
    "ult": lambda x, y: ~(x >= y),
    "ule": lambda x, y: ~(x > y),
    "une": np.not_equal,
    "uno": lambda x, y: np.isnan(x) | np.isnan(y),
}
INTEGER_PREDICATES: dict[str, Meaning] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "slt": np.less,
    "sle": np.less_equal,
    "sgt": np.greater,
    "sge": np.greater_equal,
    "ult": lambda x, y: unsigned(x) < unsigned(y),
    "uge": lambda x, y: unsigned(x) >= unsigned(y),
}


class Module:
    """Collects kernels `out = f(a, b)`, and what numpy says."""

    def __init__(self, lanes: int):
        self.lanes = lanes
        self.kernels: list[str] = []
        self.launches: list[str] = []
        self.parameters: list[str] = []
        self.arrays: list[Array] = []
        self.expected: list[tuple[str, Array, Array]] = []

    def argument(self, array: Array, kind: str, output: bool = False) -> str:
        name = f"%p{len(self.arrays)}"
        role = ' {nnc.role = "output"}' if output else ""
        self.parameters.append(f"{name}: memref<{COUNT}x{kind}>{role}")
        self.arrays.append(array)
        return name

    def add(self, body: str, inputs: list[tuple[Array, str]], result: str, expected: Array) -> None:
        """`body` computes %r from %a, %b; `T<kind>` in it is the scalar or vector type."""
        out = np.zeros(COUNT, MLIR[result])
        names = [self.argument(x, k) for x, k in inputs] + [self.argument(out, result, True)]
        kinds = [k for _, k in inputs] + [result]
        types = [f"memref<{COUNT}x{k}>" for k in kinds]
        kernel = f"k{len(self.kernels)}"
        letters = "abc"[: len(inputs)]
        declared = ", ".join(f"%{n}_: {t}" for n, t in zip([*letters, "r"], types, strict=True))
        lines = [self.load(n, k) for n, k in zip(letters, kinds, strict=False)]
        lines += [self.typed(body), self.store(result)]
        self.kernels.append(
            f"kernel.func @{kernel}({declared}) outs 1 {{\n"
            f"loop.for %i to {COUNT // self.lanes} {{\n" + "\n".join(lines) + "\nloop.yield }\n"
            "kernel.return }"
        )
        self.launches.append(
            f"kernel.launch @{kernel} ins({', '.join(names[:-1])} : {', '.join(types[:-1])}) "
            f"outs({names[-1]} : {types[-1]})"
        )
        self.expected.append((body, out, expected.astype(MLIR[result])))

    def typed(self, body: str) -> str:
        for kind in MLIR:
            body = body.replace(f"T<{kind}>", self.type(kind))
        return body

    def type(self, kind: str) -> str:
        return kind if self.lanes == 1 else f"vector<{self.lanes}x{kind}>"

    def load(self, name: str, kind: str) -> str:
        memory = f"memref<{COUNT}x{kind}>"
        if self.lanes == 1:
            return f"%{name} = buffer.load %{name}_[%i] : {memory} -> {kind}"
        place = f"%{name}_[%i * {self.lanes}] along [0]"
        return f"%{name} = tile.load {place} : {memory} -> {self.type(kind)}"

    def store(self, kind: str) -> str:
        memory = f"memref<{COUNT}x{kind}>"
        if self.lanes == 1:
            return f"buffer.store %r, %r_[%i] : {kind} to {memory}"
        place = f"%r_[%i * {self.lanes}] along [0]"
        return f"tile.store %r, {place} : {self.type(kind)} to {memory}"

    @property
    def text(self) -> str:
        main = f"func.func @main({', '.join(self.parameters)}) {{\n"
        launches = "\n".join(self.launches)
        return (
            f"builtin.module {{\n{main}{launches}\nfunc.return }}\n" + "\n".join(self.kernels) + "}"
        )

    def check(self) -> None:
        for body, out, expected in self.expected:
            np.testing.assert_array_equal(out, expected, err_msg=body)


def with_mask(op: str, kind: str, vector: bool) -> tuple[str, str]:
    """A comparison as something that can be stored: masks live in registers only."""
    if not vector:
        return f"%r = {op} : T<{kind}>", "i1"
    ones = "%one = arith.constant dense<1> : T<i32>\n%zero = arith.constant dense<0> : T<i32>\n"
    return f"{ones}%m = {op} : T<{kind}>\n%r = arith.select %m, %one, %zero : T<i1>, T<i32>", "i32"


def fill(module: Module, floats: list[str], integers: list[str], vector: bool) -> None:
    for kind in floats:
        x, y = pairs(kind)
        for op, meaning in FLOAT_OPS.items():
            module.add(f"%r = {op} %a, %b : T<{kind}>", [(x, kind), (y, kind)], kind, meaning(x, y))
        for op, unary in UNARY_OPS.items():
            module.add(f"%r = {op} %a : T<{kind}>", [(x, kind)], kind, unary(x))
        for predicate, meaning in FLOAT_PREDICATES.items():
            body, result = with_mask(f"arith.cmpf {predicate}, %a, %b", kind, vector)
            module.add(body, [(x, kind), (y, kind)], result, meaning(x, y))
        mask = "T<i1>, " if vector else ""
        body = f"%m = arith.cmpf ogt, %a, %b : T<{kind}>\n"
        body += f"%r = arith.select %m, %a, %b : {mask}T<{kind}>"
        module.add(body, [(x, kind), (y, kind)], kind, np.where(x > y, x, y))
    for kind in integers:
        x, y = pairs(kind)
        for op, meaning in INTEGER_OPS.items():
            if not (vector and op.endswith("ui")):
                module.add(
                    f"%r = {op} %a, %b : T<{kind}>", [(x, kind), (y, kind)], kind, meaning(x, y)
                )
                module.add(f"%r = {op} %a, %a : T<{kind}>", [(x, kind)], kind, meaning(x, x))
        for predicate, meaning in INTEGER_PREDICATES.items():
            body, result = with_mask(f"arith.cmpi {predicate}, %a, %b", kind, vector)
            module.add(body, [(x, kind), (y, kind)], result, meaning(x, y))
            body, result = with_mask(f"arith.cmpi {predicate}, %a, %a", kind, vector)
            module.add(body, [(x, kind)], result, meaning(x, x))
        shift = np.abs(y) % 31
        for op, moved in (
            ("arith.shli", (unsigned(x) << unsigned(shift)).view(x.dtype)),
            ("arith.shrsi", x >> shift),
            ("arith.shrui", (unsigned(x) >> unsigned(shift)).view(x.dtype)),
        ):
            module.add(f"%r = {op} %a, %b : T<{kind}>", [(x, kind), (shift, kind)], kind, moved)
        divisor = nonzero(y)
        quotient = truncated_quotient(x, divisor)
        inputs = [(x, kind), (divisor, kind)]
        module.add(f"%r = arith.divsi %a, %b : T<{kind}>", inputs, kind, quotient)
        module.add(f"%r = arith.remsi %a, %b : T<{kind}>", inputs, kind, x - quotient * divisor)
    x, y = pairs("i32")
    wide = x.astype(np.int64) * y
    unsigned_wide = unsigned(x).astype(np.uint64) * unsigned(y)
    extended = "%l, %r = arith.{} %a, %b : T<i32>"
    module.add(extended.format("mulsi_extended"), [(x, "i32"), (y, "i32")], "i32", wide >> 32)
    module.add(
        extended.format("mului_extended"),
        [(x, "i32"), (y, "i32")],
        "i32",
        (unsigned_wide >> np.uint64(32)).astype(np.uint32).view(np.int32),
    )
    f = pairs("f32")[0]
    small = np.where(np.abs(f) < 1e9, f, np.float32(0))
    module.add("%r = arith.sitofp %a : T<i32> to T<f32>", [(x, "i32")], "f32", x)
    module.add("%r = arith.uitofp %a : T<i32> to T<f32>", [(x, "i32")], "f32", unsigned(x))
    module.add("%r = arith.fptosi %a : T<f32> to T<i32>", [(small, "f32")], "i32", np.trunc(small))
    module.add("%r = arith.bitcast %a : T<f32> to T<i32>", [(f, "f32")], "i32", f.view(np.int32))
    module.add("%r = arith.bitcast %a : T<i32> to T<f32>", [(x, "i32")], "f32", x.view(np.float32))


def scalar_only(module: Module) -> None:
    """Widths that vectors do not have."""
    x, y = pairs("i64")
    f, d = pairs("f32")[0], pairs("f64")[0]
    module.add("%r = arith.extf %a : f32 to f64", [(f, "f32")], "f64", f)
    module.add("%r = arith.truncf %a : f64 to f32", [(d, "f64")], "f32", d)
    module.add("%r = arith.trunci %a : i64 to i32", [(x, "i64")], "i32", x.astype(np.int32))
    narrow = x.astype(np.int32)
    module.add("%r = arith.extsi %a : i32 to i64", [(narrow, "i32")], "i64", narrow)
    module.add("%r = arith.extui %a : i32 to i64", [(narrow, "i32")], "i64", unsigned(narrow))
    divisor = nonzero(y)
    floor = np.array([int(a) // int(b) for a, b in zip(x, divisor, strict=True)])
    ceil = np.array([-(-int(a) // int(b)) for a, b in zip(x, divisor, strict=True)])
    module.add("%r = arith.floordivsi %a, %b : i64", [(x, "i64"), (divisor, "i64")], "i64", floor)
    module.add("%r = arith.ceildivsi %a, %b : i64", [(x, "i64"), (divisor, "i64")], "i64", ceil)
    module.add(
        "%r = arith.divui %a, %b : i64",
        [(x, "i64"), (divisor, "i64")],
        "i64",
        (unsigned(x) // unsigned(divisor)).view(np.int64),
    )
    module.add(
        "%r = arith.remui %a, %b : i64",
        [(x, "i64"), (divisor, "i64")],
        "i64",
        (unsigned(x) % unsigned(divisor)).view(np.int64),
    )
    mask = x > 0
    module.add("%r = arith.uitofp %a : i1 to f32", [(mask, "i1")], "f32", mask)
    module.add("%r = arith.extsi %a : i1 to i32", [(mask, "i1")], "i32", -mask.astype(np.int32))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_scalars(tmp_path: Path, compiler: str) -> None:
    with np.errstate(all="ignore"):
        module = Module(1)
        fill(module, ["f32", "f64"], ["i32", "i64"], vector=False)
        scalar_only(module)
    undefined = ("-fsanitize=undefined", "-fno-sanitize-recover=all") if compiler == "gcc" else ()
    execute(module.text, "c99", *module.arrays, compiler=compiler, extra=undefined, folder=tmp_path)
    module.check()


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("isa", ["avx512", "avx2", "sse2"])
def test_vectors(tmp_path: Path, isa: str, compiler: str) -> None:
    with np.errstate(all="ignore"):
        module = Module(16)
        fill(module, ["f32"], ["i32"], vector=True)
    execute(module.text, isa, *module.arrays, compiler=compiler, folder=tmp_path)
    module.check()
