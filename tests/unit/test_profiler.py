"""The profiler's table and trace, against the program's own numbers."""

import json
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated_device import emulate_gpus

import nnc
from nnc import autograd, gluon, nd, profiler, settings
from nnc.errors import OptionError
from nnc.functions import CompiledStep
from nnc.gluon import nn
from nnc.runtime import timing

X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0], np.int32)


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path) -> Generator[None]:
    """Nothing is recorded before, nor after."""
    profiler.set_config(filename=str(tmp_path / "profile.json"))
    yield
    profiler.set_state("stop")
    profiler.dumps(reset=True)
    profiler.set_config(filename="profile.json")


def new_step(device: Any = None) -> CompiledStep:
    nnc.random.seed(0)
    net = nn.HybridSequential(nn.Dense(5, "relu", in_units=6), nn.Dense(3, in_units=5))
    net.initialize(device=device)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    return nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)


def recorded(run: Callable[[], object]) -> dict[str, Any]:
    """What `dumps` says of a run."""
    profiler.set_state("run")
    run()
    profiler.set_state("stop")
    return json.loads(profiler.dumps(format="json"))


@pytest.mark.parametrize("target", [None, "c99"])
def test_kernels_of_a_step(target: str | None) -> None:
    before = nnc.configure(target=target)
    try:
        step = new_step()
        step(X, LABELS)
        [program] = recorded(lambda: [step(X, LABELS) for _ in range(3)])["programs"]
    finally:
        settings.current = before
    report = {kernel.name: kernel for kernel in step.report().kernels}
    assert program["calls"] == 3
    assert {row["name"]: row["count"] for row in program["kernels"]} == {
        name: 3 * kernel.launches for name, kernel in report.items()
    }
    for row in program["kernels"]:
        kernel = report[row["name"]]
        assert row["avg"] == pytest.approx(row["total"] / row["count"])
        assert row["min"] <= row["avg"] * (1 + 1e-9)
        assert row["avg"] <= row["max"] * (1 + 1e-9)
        assert row["share"] == pytest.approx(row["total"] / program["total"])
        assert row["gflops"] == pytest.approx(kernel.flops / row["avg"] / 1e9)
        assert row["gbytes"] == pytest.approx(kernel.bytes / row["avg"] / 1e9)
    assert 0 < program["in_kernels"] <= program["total"]
    [dense] = [row for row in program["kernels"] if row["name"] == "dense_relu"]
    assert dense["where"].startswith("0.weight, 0.bias, test_profiler.py:")


def test_numbers_are_the_same() -> None:
    plain, profiled = new_step(), new_step()
    losses = [plain(X, LABELS).asnumpy() for _ in range(4)]
    profiler.set_state("run")
    for loss in losses:
        np.testing.assert_array_equal(profiled(X, LABELS).asnumpy(), loss)
    assert "NNC_TIMED" not in plain.source


def test_launches_in_loops_are_counted_each_time() -> None:
    def run() -> None:
        sums, _ = nd.contrib.foreach(lambda x, s: (x + s, x * s), nd.array(X), nd.ones((6,)))
        sums.asnumpy()

    run()
    [program] = recorded(run)["programs"]
    assert max(row["count"] for row in program["kernels"]) >= len(X)


def test_table() -> None:
    step = new_step()
    assert profiler.dumps().startswith("nothing was recorded")
    recorded(lambda: step(X, LABELS))
    whole, head, columns, *rows = profiler.dumps(sort_by="count", ascending=True).splitlines()
    assert whole.endswith("% of them in programs")
    assert head.startswith("program 1: 1 call, ")
    assert head.endswith("% of it in kernels")
    assert " ".join(columns.split()) == (
        "name calls total ms mean us min us max us share kflop kB GFLOP/s GB/s where"
    )
    counts = [int(row.split()[1]) for row in rows]
    assert counts == sorted(counts)
    assert "0.weight, 0.bias, test_profiler.py:" in "\n".join(rows)


def test_pause_resume_and_reset() -> None:
    step = new_step()
    profiler.set_state("run")
    step(X, LABELS)
    profiler.pause()
    step(X, LABELS)
    profiler.resume()
    step(X, LABELS)
    assert json.loads(profiler.dumps(reset=True, format="json"))["programs"][0]["calls"] == 2
    assert profiler.dumps().startswith("nothing was recorded")
    assert profiler.is_running()


def test_what_waits_belongs_to_what_was_before() -> None:
    """An array is computed when the state changes, at the latest."""
    x = nd.ones((3,)) + 1
    profiler.set_state("run")
    y = x * 2
    profiler.set_state("stop")
    assert json.loads(profiler.dumps(format="json"))["programs"][0]["calls"] == 1
    np.testing.assert_array_equal(y.asnumpy(), [4, 4, 4])


def test_calls_of_several_threads_do_not_meet() -> None:
    def double(x: nd.NDArray) -> nd.NDArray:
        return nd.exp(x) * 2

    compiled = nnc.compile(double, nd.array(X))
    launches = compiled.report().launches
    profiler.set_state("run")
    with ThreadPoolExecutor(4) as executor:
        list(executor.map(compiled, [X] * 40))
    calls = timing.calls or []
    assert [len(call.events) for call in calls] == [launches] * 40
    for call in calls:
        assert call.start <= call.events["start"].min()
        assert call.events["end"].max() <= call.end


def test_trace(tmp_path: Path) -> None:
    """Kernels lie one after the other in their program's call, calls within the user's task."""
    step = new_step()
    domain = profiler.Domain("training")
    steps = domain.new_counter("steps", 0)
    profiler.set_state("run")
    with domain.new_task("batch"):
        step(X, LABELS)
    steps += 2
    steps -= 1
    domain.new_marker("end").mark()
    with profiler.Event("rest"):
        pass
    profiler.dump()
    assert not profiler.is_running()
    events = json.loads((tmp_path / "profile.json").read_text())["traceEvents"]
    assert min(e["ts"] for e in events if "ts" in e) == 0
    lanes = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert lanes == {0: "thread 0"}
    spans = [(e["cat"], e["ts"], e["ts"] + e["dur"], e) for e in events if e["ph"] == "X"]
    [(_, begin, end, _)] = [span for span in spans if span[0] == "training"]
    [(_, start, stop, program)] = [span for span in spans if span[0] == "program"]
    assert begin <= start < stop <= end
    last = start
    kernels = [span for span in spans if span[0] == "kernel"]
    assert len(kernels) == step.report().launches
    for _, first, after, event in kernels:
        assert last <= first <= after <= stop + 1e-3
        last = after
        assert event["tid"] == program["tid"]
        assert {"where", "flops", "bytes"} == set(event["args"])
    assert [e["args"]["steps"] for e in events if e["ph"] == "C"] == [2, 1]
    assert [e["name"] for e in events if e["ph"] == "i"] == ["end"]
    assert "training: batch" in profiler.dumps()
    assert "event: rest" in profiler.dumps()


def test_a_finished_dump_begins_anew() -> None:
    step = new_step()
    profiler.profiler_set_state("run")
    step(X, LABELS)
    profiler.dump(finished=False)
    step(X, LABELS)
    profiler.dump()
    assert "program 1: 2 calls" in profiler.dumps()
    profiler.set_state("run")
    step(X, LABELS)
    profiler.set_state("stop")
    assert "program 1: 1 call," in profiler.dumps()


def test_recorded_time_holds_the_time_in_programs() -> None:
    step = new_step()
    step(X, LABELS)
    first = recorded(lambda: [step(X, LABELS) for _ in range(3)])
    assert 0 < first["in_programs"] == first["programs"][0]["total"] < first["recorded"]
    stopped = json.loads(profiler.dumps(format="json", reset=True))
    assert stopped["recorded"] == first["recorded"]
    assert recorded(lambda: step(X, LABELS))["recorded"] < 1e3


def test_nothing_is_noted_while_stopped() -> None:
    step = new_step()
    step(X, LABELS)
    with profiler.Frame(profiler.Domain("d"), "epoch"):
        step(X, LABELS)
    assert profiler.dumps().startswith("nothing was recorded")
    assert timing.calls is None


def test_kernels_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulated device counts its calls instead of milliseconds: each launch takes 1."""
    emulate_gpus(monkeypatch)
    step = new_step(nnc.gpu(0))
    losses = [step(X, LABELS).asnumpy() for _ in range(2)]
    plain = new_step(nnc.gpu(0))
    np.testing.assert_array_equal(plain(X, LABELS).asnumpy(), losses[0])
    profiler.set_state("run")
    np.testing.assert_array_equal(plain(X, LABELS).asnumpy(), losses[1])
    profiler.set_state("stop")
    [program] = json.loads(profiler.dumps(format="json"))["programs"]
    report = {kernel.name: kernel.launches for kernel in step.report().kernels}
    assert {row["name"]: row["count"] for row in program["kernels"]} == report
    artifact = step.program.artifact
    for row in program["kernels"]:
        launches = [site for site in artifact.sites if site.kernel == row["name"]]
        assert row["total"] == pytest.approx(1e-3 * len(launches))
    assert len(artifact.sites) == len(artifact.launches)


def test_inference_is_recorded() -> None:
    net = nn.Dense(3, in_units=6)
    net.initialize()
    with autograd.pause():
        found = recorded(lambda: net(nd.array(X)).asnumpy())
    assert any(row["name"] == "dense" for p in found["programs"] for row in p["kernels"])


def wrong_file() -> None:
    profiler.set_config(filename="/nowhere/at/all.json")
    profiler.dump()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: profiler.set_state("start"), "set_state: state: no 'start'; known: run, stop"),
        (lambda: profiler.set_config(file="x"), "set_config: option: no 'file'; did you mean file"),
        (lambda: profiler.dumps(format="csv"), "dumps: format: no 'csv'; known: json, table"),
        (lambda: profiler.dumps(sort_by="mean"), "dumps: sort_by: no 'mean'; "),
        (wrong_file, "dump: cannot write '/nowhere/at/all.json': No such file or directory; name"),
        (lambda: profiler.Event("e").stop(), "Event: 'e' was stopped, but not started"),
        (
            lambda: profiler.Domain("d").new_counter("c", float("nan")),
            "Counter: value: expected a number, given nan",
        ),
    ],
)
def test_mistakes(mistake: Callable[[], object], message: str) -> None:
    with pytest.raises(OptionError) as error:
        mistake()
    assert message in str(error.value)
