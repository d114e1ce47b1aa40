"""Times neural-network compilers and runtimes side by side: see README.md."""

import argparse
import fcntl
import importlib.util
import json
import os
import selectors
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from worker import PEERS
from workload import Workload
from workloads import WORKLOADS

HERE = Path(__file__).parent
Result = dict[str, Any]


class Worker:
    """A peer's process, stopped whenever it is not its turn, so that its threads disturb nobody."""

    def __init__(self, peer: str, name: str, options: argparse.Namespace) -> None:
        self.peer = peer
        self.nice = options.nice
        self.times: list[list[float]] = []
        self.peak_mib = 0.0
        self.steps = self.rounds = 0
        self.info: Result = {}
        interpreter = dict(pair.split("=", 1) for pair in options.python).get(peer, sys.executable)
        cpus = set(sorted(os.sched_getaffinity(0))[: options.threads])
        log = options.cache / f"log_{peer}_{name}.txt"
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [interpreter, HERE / "worker.py", "serve", peer, name, str(options.threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(options),
                text=True,
                preexec_fn=lambda: os.sched_setaffinity(0, cpus),
                start_new_session=True,
            )

    def read(self, timeout: float) -> Result:
        assert self.process.stdout is not None
        selector = selectors.DefaultSelector()
        selector.register(self.process.stdout, selectors.EVENT_READ)
        if not selector.select(timeout):
            raise TimeoutError(f"no answer in {timeout:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker died with status {self.process.wait()}")
        return json.loads(line)

    def start(self, options: argparse.Namespace) -> None:
        """Wait for the first result and decide how many steps make a block."""
        self.info = self.read(options.setup_timeout)
        if not self.info["ready"]:
            raise RuntimeError(self.info["error"])
        self.process.send_signal(signal.SIGSTOP)
        seconds = self.info["step_s"]
        self.steps = max(1, min(60, int(options.block_s / seconds)))
        self.rounds = options.rounds
        if seconds < 3:
            self.steps = max(self.steps, -(-10 // options.rounds))
        else:
            self.rounds = min(3, options.rounds)

    def block(self, draw: int) -> None:
        """Time one block on the inputs of draw number `draw`."""
        assert self.process.stdin is not None
        self.raise_priority()
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps({"steps": self.steps, "draw": draw}) + "\n")
        self.process.stdin.flush()
        answer = self.read(60 + 3 * self.steps * self.info["step_s"])
        self.process.send_signal(signal.SIGSTOP)
        self.times.append(answer["times"])
        self.peak_mib = answer["peak_mib"]

    def raise_priority(self) -> None:
        if not self.nice:
            return
        with suppress(OSError):  # a session is one scheduling group where autogroup is on
            Path(f"/proc/{self.process.pid}/autogroup").write_text(str(self.nice))
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(thread), self.nice)

    def kill(self) -> None:
        with suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def environment(options: argparse.Namespace) -> dict[str, str]:
    threads = str(options.threads)
    counts = "OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS NPROC TVM_NUM_THREADS CPU_COUNT"
    return {
        **os.environ,
        **dict.fromkeys(counts.split(), threads),
        "PEERS_CACHE": str(options.cache),
        "TORCHINDUCTOR_CACHE_DIR": str(options.cache / f"inductor{threads}"),
        "MXNET_CPU_WORKER_NTHREADS": "1",
        "JAX_PLATFORMS": "cpu",
        "CPU": "1",
        "DEV": "CPU",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


@contextmanager
def locked(path: str) -> Generator[None]:
    """Hold a lock on `path`, if one is given."""
    if not path:
        yield
        return
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(workload: Workload, options: argparse.Namespace) -> dict[str, Result]:
    """What each peer reached on a workload, or why it has no figure."""
    results: dict[str, Result] = {}
    workers: list[Worker] = []
    try:
        for peer in options.peers:
            worker = Worker(peer, workload.name, options)
            workers.append(worker)
            with guarded(worker, "setup", results):
                worker.start(options)
        for number in range(options.rounds):
            for worker in workers if number % 2 == 0 else workers[::-1]:
                if number < worker.rounds:
                    with guarded(worker, "run", results), locked(options.lock):
                        worker.block(number + 1)
        return results | summaries(workload, [w for w in workers if w.peer not in results])
    finally:
        for worker in workers:
            worker.kill()


@contextmanager
def guarded(worker: Worker, phase: str, results: dict[str, Result]) -> Generator[None]:
    """One peer's failure is its result, and ends only its own turns."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        results[worker.peer] = {"error": f"{phase}: {error}"}
        worker.rounds = 0
        worker.kill()


def summaries(workload: Workload, workers: list[Worker]) -> dict[str, Result]:
    outputs = {worker.peer: np.load(worker.info["output"]) for worker in workers}
    reference = next(iter(outputs.values()), np.zeros(0))
    results: dict[str, Result] = {}
    for worker in workers:
        output = outputs[worker.peer]
        same_shape = output.shape == reference.shape
        difference = float(np.max(np.abs(output - reference))) if same_shape else float("nan")
        scale = float(np.max(np.abs(reference))) or 1.0
        times = [seconds for block in worker.times for seconds in block]
        agrees = same_shape and np.allclose(output, reference, workload.rtol, workload.atol)
        results[worker.peer] = {
            "median_ms": 1e3 * statistics.median(times),
            "best_block_ms": 1e3 * min(statistics.median(block) for block in worker.times),
            "min_ms": 1e3 * min(times),
            "max_ms": 1e3 * max(times),
            "n": len(times),
            "first_s": worker.info["first_s"],
            "first_cpu_s": worker.info["first_cpu_s"],
            "import_s": worker.info["import_s"],
            "rss_mib": worker.peak_mib,
            "ok": bool(agrees),
            "maxdiff": difference,
            "reldiff": difference / scale,
        }
    return results


HEADER = (
    "| peer | median ms | best block ms | min..max ms | n | vs best | GFLOP/s | % peak "
    "| first result s (cpu s) | RSS MiB | agrees (max diff / max) |"
)


def table(name: str, results: dict[str, Result], flops: float, options: argparse.Namespace) -> str:
    """A workload's results as a markdown table, fastest first."""
    threads = f"{options.threads} thread{'s' if options.threads > 1 else ''}"
    lines = [f"\n### {name} ({threads})", "", HEADER, "|---" * 11 + "|"]
    statistic = options.stat
    timed = {peer: result for peer, result in results.items() if statistic in result}
    best = min((result[statistic] for result in timed.values()), default=1.0)
    for peer, r in sorted(timed.items(), key=lambda item: item[1][statistic]):
        rate = flops / r[statistic] / 1e6
        cells = [
            peer,
            f"{r['median_ms']:.3f}",
            f"{r['best_block_ms']:.3f}",
            f"{r['min_ms']:.3f}..{r['max_ms']:.3f}",
            str(r["n"]),
            f"{r[statistic] / best:.2f}",
            f"{rate:.1f}" if flops else "-",
            f"{100 * rate / options.peak:.0f}" if flops and options.peak else "-",
            f"{r['first_s']:.2f} ({r['first_cpu_s']:.1f})",
            f"{r['rss_mib']:.0f}",
            f"{'yes' if r['ok'] else '**NO**'} ({r['reldiff']:.1e})",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for peer, result in results.items():
        if "error" in result:
            why = result["error"][:160].replace("|", "/").replace("\n", " ")
            lines.append(f"| {peer} | {'| ' * 9}{why} |")
    return "\n".join(lines)


def operations(options: argparse.Namespace) -> dict[str, list[float]]:
    """Operations and compulsory bytes by workload; counted by torch, so empty without it."""
    path = options.cache / "flops.json"
    if not path.exists():
        command = [sys.executable, HERE / "worker.py", "flops"]
        done = subprocess.run(command, env=environment(options), capture_output=True, text=True)
        path.write_text(done.stdout.splitlines()[-1] if done.returncode == 0 else "{}")
    return json.loads(path.read_text())


def installed(peer: str) -> bool:
    try:
        return importlib.util.find_spec(PEERS[peer][1]) is not None
    except ModuleNotFoundError:
        return False


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--peers", default="", help="comma-separated; the first is the reference of results")
    add("--workloads", default="", help="comma-separated prefixes of names")
    add("--threads", type=int, default=2)
    add("--rounds", type=int, default=5)
    add("--block-s", type=float, default=0.15, help="seconds that a block of steps fills")
    add("--lock", default="", help="a file to hold a lock on during every block")
    add("--nice", type=int, default=0)
    add("--python", nargs="*", default=[], help="peer=interpreter, for peers with their own venv")
    add("--setup-timeout", type=float, default=150)
    add("--peak", type=float, default=0, help="GFLOP/s at this thread count (limits.c)")
    add("--stat", default="median_ms", choices=["median_ms", "best_block_ms", "min_ms"])
    add("--json", type=Path)
    add("--cache", type=Path, help="keeps exported models, logs and outputs")
    options = parser.parse_args(arguments)
    separate = {pair.split("=", 1)[0] for pair in options.python}
    names = options.peers.split(",") if options.peers else list(PEERS)
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        parser.error(f"unknown peers {', '.join(unknown)}; known: {', '.join(PEERS)}")
    options.peers = [name for name in names if options.peers or name in separate or installed(name)]
    options.cache = options.cache or Path(tempfile.mkdtemp(prefix="peers_"))
    options.cache.mkdir(parents=True, exist_ok=True)
    return options


def main() -> None:
    options = parse()
    prefixes = tuple(options.workloads.split(","))
    counts = operations(options)
    collected: dict[str, dict[str, Result]] = {}
    for name, workload in WORKLOADS.items():
        if not name.startswith(prefixes):
            continue
        start = time.time()
        collected[name] = run(workload, options)
        print(table(name, collected[name], counts.get(name, [0])[0], options), flush=True)
        print(f"({time.time() - start:.0f} s)", file=sys.stderr, flush=True)
        if options.json:
            document = {
                "threads": options.threads,
                "peak": options.peak,
                "flops_bytes": counts,
                "results": collected,
            }
            options.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
