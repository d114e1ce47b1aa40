"""A program computes on the arrays it is given, in place where it should, or says what is wrong."""

import math
import timeit
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nnc.codegen.artifact import Argument, Artifact, BufferReport, KernelReport, Unit
from nnc.dialects.target import target_named
from nnc.runtime.errors import (
    BindError,
    CompileError,
    DtypeError,
    NanError,
    ProgramError,
    ShapeError,
)
from nnc.runtime.program import Program

# w -= rate * x; total = sum(x * before); moved = w; uses its arena to carry the products.
STEP = """
%s
int step(void *const *arguments, char *arena%s) {
    const float *x = arguments[0], *before = arguments[1], *rate = arguments[3];
    float *w = arguments[2], *total = arguments[4], *moved = arguments[5];
    float *product = (float *)arena;
    if (*rate < 0) return 7;
    *total = 0;
    for (int i = 0; i < 12; i++) product[i] = x[i] * before[i];
    for (int i = 0; i < 12; i++) *total += product[i];
    for (int i = 0; i < 12; i++) moved[i] = w[i] = w[i] - *rate * x[i];
    return 0;
}
"""
POOL = """
typedef void (*nnc_task)(void *context, long begin, long end, long worker);
typedef struct {
    long workers;
    void (*parallel)(long count, nnc_task task, void *context);
} nnc_pool;
"""
ARGUMENTS = (
    Argument("x", "input", "in", "float32", (3, 4)),
    Argument("before", "input", "in", "float32", (3, 4)),
    Argument("dense0.weight", "parameter", "inout", "float32", (3, 4)),
    Argument("rate", "scalar", "in", "float32", ()),
    Argument("total", "output", "out", "float32", ()),
    Argument("moved", "output", "out", "float32", (3, 4)),
)


def artifact(target: str = "sse2") -> Artifact:
    threads = target_named(target).threads
    text = STEP % ((POOL, ", const nnc_pool *pool") if threads else ("", ""))
    if threads:
        text = text.replace("    const float *x", "    (void)pool;\n    const float *x")
    else:
        prototype = "int step(void *const *arguments, char *arena);\n"
        text = prototype + text
    return Artifact(
        "mlp",
        target_named(target),
        (Unit("step.c", text),),
        "step",
        ARGUMENTS,
        arena_bytes=48,
        scratch_bytes=64,
        kernels=(
            KernelReport("dense_relu", "gemm", 3, 2_000_000, 4096),
            KernelReport("update", "sweep", 1, 12, 1 << 20),
        ),
        buffers=(
            BufferReport("products", 0, 48, 0, 1),
            BufferReport("sums", 0, 32, 2, 3),
            BufferReport("loss", 48, 4, 1, 2),
        ),
    )


class Model:
    """The program with random arrays."""

    def __init__(self, target: str = "sse2", **options: Any):
        rng = np.random.default_rng(0)
        self.program = Program(artifact(target), **options)
        self.x, self.before, self.w = (
            rng.standard_normal((3, 4)).astype(np.float32) for _ in range(3)
        )
        self.program.bind({"dense0.weight": self.w})
        self.program.set("rate", 0.5)

    def check(self, x: Any = None, before: Any = None, **keywords: Any) -> tuple[Any, Any]:
        """Call, and compare with numpy."""
        x = self.x if x is None else x
        before = self.before if before is None else before
        expected = self.w - np.float32(0.5) * np.asarray(x)
        total, moved = self.program(x, before, **keywords)
        np.testing.assert_array_equal(self.w, expected)
        np.testing.assert_array_equal(moved, expected)
        assert math.isclose(total, (np.asarray(x) * before).sum(), rel_tol=1e-5)
        return total, moved


@pytest.mark.parametrize("target", ["sse2", "c99"])
def test_a_call_updates_parameters_and_returns_new_aligned_outputs(target: str) -> None:
    model = Model(target)
    first, second = model.check()[1], model.check()[1]
    assert not np.shares_memory(first, second)
    assert first.ctypes.data % 64 == second.ctypes.data % 64 == 0


def test_strided_read_only_and_foreign_inputs_are_read() -> None:
    model = Model()
    model.check(x=np.asfortranarray(model.x))
    model.check(x=np.repeat(model.x, 2, axis=1)[:, ::2])
    model.check(x=model.x.astype(">f4"))
    model.check(x=np.frombuffer(b"\0" + model.x.tobytes(), np.uint8)[1:].view("f4").reshape(3, 4))
    constant = model.x.copy()
    constant.flags.writeable = False
    model.check(before=constant)


def test_outputs_go_where_they_are_wanted() -> None:
    model = Model()
    total, moved = np.zeros((), np.float32), np.zeros((3, 4), np.float32)
    result = model.check(out=(total, moved))
    assert result[0] is total
    assert result[1] is moved


def test_scalars_change_without_binding_anew() -> None:
    model = Model()
    model.program.set("rate", 0)
    before = model.w.copy()
    model.program(model.x, model.before)
    np.testing.assert_array_equal(model.w, before)
    rate = np.array(0.5, np.float32)
    model.program.bind(rate=rate)
    model.check()
    rate[()] = 0
    before = model.w.copy()
    model.program(model.x, model.before)
    np.testing.assert_array_equal(model.w, before)


def test_binding_again_replaces_the_array() -> None:
    model = Model()
    model.check()
    old, model.w = model.w, model.w.copy()
    kept = old.copy()
    model.program.bind({"dense0.weight": model.w})
    model.check()
    np.testing.assert_array_equal(old, kept)
    np.testing.assert_array_equal(model.program.read("dense0.weight"), model.w)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (
            np.zeros((4, 3), np.float32),
            ShapeError,
            r"program 'mlp', input 'x': expected shape \(3, 4\), given \(4, 3\)",
        ),
        (np.zeros((3, 4)), DtypeError, r"'x': expected dtype float32, given float64.*astype"),
        ([[1, 2], [3, 4]], DtypeError, r"'x': expected dtype float32, given int64"),
        (None, DtypeError, "'x': expected dtype float32, given object"),
    ],
)
def test_wrong_inputs(x: Any, error: type[Exception], message: str) -> None:
    model = Model()
    before = model.w.copy()
    with pytest.raises(error, match=message):
        model.program(x, model.before)
    np.testing.assert_array_equal(model.w, before)
    model.check()


def test_wrong_number_of_inputs_and_outputs() -> None:
    model = Model()
    with pytest.raises(BindError, match=r"expected 2 inputs \('x', 'before'\), given 1"):
        model.program(model.x)
    with pytest.raises(BindError, match=r"expected 2 outputs \('total', 'moved'\), given 1"):
        model.program(model.x, model.before, out=model.x)


def test_a_call_before_everything_is_bound() -> None:
    program = Program(artifact())
    with pytest.raises(BindError, match=r"before 'dense0.weight', 'rate' had a value; .*bind\(\)"):
        program(np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32))


def test_what_cannot_be_bound() -> None:
    model = Model()
    bind = model.program.bind
    with pytest.raises(BindError, match=r"no argument 'weight'; it can bind 'dense0.weight', 'ra"):
        bind(weight=model.w)
    with pytest.raises(BindError, match="'x' is an argument of role 'input'"):
        bind(x=model.x)
    with pytest.raises(BindError, match="must be contiguous"):
        bind({"dense0.weight": np.zeros((4, 3), np.float32).T})
    with pytest.raises(BindError, match="expected a numpy array to use in place, given list"):
        bind({"dense0.weight": [1.0]})
    constant = model.w.copy()
    constant.flags.writeable = False
    with pytest.raises(BindError, match="the program writes it, but the given array is read-only"):
        bind({"dense0.weight": constant})
    with pytest.raises(BindError, match="expected a number that float32 can hold, given 'fast'"):
        bind({"dense0.weight": constant.copy(), "rate": "fast"})
    with pytest.raises(BindError, match=r"'dense0.weight' is an argument of role 'parameter'"):
        model.program.set("dense0.weight", 1)
    model.check()  # Nothing of it was bound.


def test_written_memory_cannot_be_bound_twice() -> None:
    model = Model()
    inside = model.w.reshape(-1)[5:6].reshape(())
    with pytest.raises(BindError, match=r"'dense0.weight' and 'rate' share memory"):
        model.program.bind(rate=inside)


def test_integers_keep_their_value() -> None:
    text = POOL + (
        "int entry(void *const *arguments, char *arena, const nnc_pool *pool) {"
        "(void)arena, (void)pool; *(long *)arguments[1] = *(int *)arguments[0]; return 0; }"
    )
    count = Argument("count", "scalar", "in", "int32", ())
    out = Argument("out", "output", "out", "int64", ())
    program = Program(
        Artifact("copy", target_named("sse2"), (Unit("c.c", text),), "entry", (count, out), 0, 0)
    )
    program.set("count", 7)
    assert program() == 7
    wrong: Any
    for wrong in (0.5, 1 << 40, "x"):
        with pytest.raises(BindError, match="'count': expected a number that int32 can hold"):
            program.set("count", wrong)
    assert program() == 7


def test_an_entry_that_fails() -> None:
    model = Model()
    model.program.set("rate", -1)
    with pytest.raises(ProgramError, match="program 'mlp' stopped with code 7"):
        model.program(model.x, model.before)
    model.program.set("rate", 0.5)
    model.check()


def test_nan_check_leaves_parameters_as_they_were() -> None:
    model = Model(check_nans=True)
    model.check()
    bad = model.x.copy()
    bad[1, 2] = np.nan
    before = model.w.copy()
    with pytest.raises(NanError, match=r"parameter 'dense0.weight' has 1 NaN in 12.*given in 'x'"):
        model.program(bad, model.before)
    np.testing.assert_array_equal(model.w, before)
    with pytest.raises(NanError, match=r"output 'total' has 1 NaN.*given in 'before'"):
        model.program(model.x, bad)
    np.testing.assert_array_equal(model.w, before)
    model.check()
    model.program.check_nans = False
    model.program(bad, model.before)
    assert np.isnan(model.w[1, 2])


def test_extra_flags_reach_compiler_and_linker() -> None:
    Model(extra_flags=("-fsanitize=undefined",)).check()


def test_a_missing_entry() -> None:
    with pytest.raises(CompileError, match="program 'mlp' has no entry 'main'"):
        Program(replace(artifact(), entry="main"))


def test_source_ir_and_report() -> None:
    program = Program(artifact(), ir=lambda level: f"module at {level}")
    assert "int step(void *const *arguments" in program.source
    assert program.ir("loops") == "module at loops"
    with pytest.raises(ProgramError, match="program 'mlp' was made without its IR"):
        Program(artifact()).ir("loops")
    report = program.report()
    assert (report.launches, report.flops) == (4, 6_000_012)
    assert report.bytes == 3 * 4096 + (1 << 20)
    assert report.live_bytes == 52
    assert str(report).splitlines() == [
        "program 'mlp' for sse2: 2 kernels in 4 launches, 6 M flops, 1.012 MiB moved",
        "  kernel      strategy  launches  flops  bytes",
        "  dense_relu  gemm      3         2 M    4 KiB",
        "  update      sweep     1         12     1 MiB",
        "arena: 48 B (at most 52 B alive at a time), scratch: 64 B for each worker",
        "  buffer    offset  bytes  ops",
        "  products  0       48 B   0 to 1",
        "  sums      0       32 B   2 to 3",
        "  loss      48      4 B    1 to 2",
    ]


def test_overhead_is_printed() -> None:
    model = Model()
    total, moved = np.zeros((), np.float32), np.zeros((3, 4), np.float32)
    calls = {
        "a call, 2 inputs, 2 new outputs": lambda: model.program(model.x, model.before),
        "a call, outputs given": lambda: model.program(model.x, model.before, out=(total, moved)),
        "set": lambda: model.program.set("rate", 0.1),
        "a program from the cache": lambda: Program(artifact()),
    }
    for name, call in calls.items():
        seconds = min(timeit.repeat(call, number=200, repeat=5)) / 200
        print(f"{name}: {seconds * 1e6:.1f} us")
