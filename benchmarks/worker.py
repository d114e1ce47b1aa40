"""One peer on one workload, in a process of its own; JSON lines on stdin and stdout.

    worker.py serve PEER WORKLOAD THREADS    set up, say so, then time blocks on request
    worker.py export WORKLOAD FILE           write the workload as ONNX
    worker.py emit WORKLOAD FILE             write the workload as StableHLO
    worker.py flops                          print operations and compulsory bytes of every workload

A request is `{"steps": n, "draw": k}`: feed the inputs of draw k, warm up, time n steps.
"""

import importlib
import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from workload import Array, Workload
from workloads import WORKLOADS

# peer: (adapter, package whose import is timed apart)
PEERS = {
    "torch": ("p_torch", "torch"),
    "torch-cl": ("p_torch", "torch"),
    "torch-compile": ("p_torch", "torch"),
    "jax": ("p_jax", "jax"),
    "ort": ("p_onnx", "onnxruntime"),
    "openvino": ("p_onnx", "openvino"),
    "openvino-default": ("p_onnx", "openvino"),
    "tvm": ("p_onnx", "tvm"),
    "iree": ("p_iree", "iree.compiler"),
    "tinygrad": ("p_tinygrad", "tinygrad"),
    "mxnet": ("p_mxnet", "mxnet"),
    "numpy": ("p_numpy", "numpy"),
    "ort-training": ("p_orttrain", "onnxruntime"),
    "nnc": ("p_nnc", "nnc"),
    "nnc-loop": ("p_nnc", "nnc"),
    "nnc-avx2": ("p_nnc", "nnc"),
    "nnc-c99": ("p_nnc", "nnc"),
}


def cpu_seconds() -> float:
    """Processor time of this process and its children so far."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mib() -> float:
    """The largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(step: Any) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def prepare(peer: str, workload: Workload, threads: int) -> tuple[Any, float, dict[str, Any]]:
    """The peer's step, its time, and what the harness reports of its first results."""
    adapter, package = PEERS[peer]
    workload.params()
    if adapter == "p_onnx" and workload.kind == "infer":
        importlib.import_module(adapter).onnx_path(workload)  # the export is not the peer's time
    start = time.perf_counter()
    importlib.import_module(package)
    import_seconds = time.perf_counter() - start
    module = importlib.import_module(adapter)

    start, cpu_start = time.perf_counter(), cpu_seconds()
    step, fetch = module.setup(workload, threads, peer)
    step()
    first = time.perf_counter() - start
    outputs, times = [np.asarray(fetch(), np.float64)], list[float]()
    for _ in range(3):
        times.append(timed(step))
        outputs.append(np.asarray(fetch(), np.float64))
    path = os.path.join(os.environ["PEERS_CACHE"], f"out_{peer}_{workload.name}.npy")
    np.save(path, compared(workload, outputs))
    report = {
        "import_s": import_seconds,
        "first_s": first,
        "first_cpu_s": cpu_seconds() - cpu_start,
        "step_s": min(times),
        "output": path,
    }
    return step, min(times), report


def compared(workload: Workload, outputs: list[Array]) -> Array:
    """What must agree among peers: the output, or the losses of the first three steps."""
    if workload.kind == "infer":
        return outputs[0]
    return np.concatenate([loss.reshape(-1)[:1] for loss in outputs[:3]])


def serve(peer: str, name: str, threads: int) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not reach the protocol

    def answer(**fields: Any) -> None:
        answers.write(json.dumps(fields) + "\n")

    workload = WORKLOADS[name]
    try:
        step, seconds, report = prepare(peer, workload, threads)
    except BaseException as error:
        traceback.print_exc()
        answer(ready=False, error=f"{type(error).__name__}: {str(error).strip()[:300]}")
        return
    answer(ready=True, **report)
    for line in sys.stdin:
        request = json.loads(line)
        step.feed(workload.inputs(request["draw"]))
        if seconds < 2:
            step()
        answer(times=[timed(step) for _ in range(request["steps"])], peak_mib=peak_mib())


def main(command: str, *arguments: str) -> None:
    sys.path.insert(0, str(Path(__file__).parent / "peers"))
    match command, *arguments:
        case "serve", peer, name, threads:
            serve(peer, name, int(threads))
        case "export", name, path:
            importlib.import_module("p_torch").export(WORKLOADS[name], path)
        case "emit", name, path:
            importlib.import_module("p_iree").emit(WORKLOADS[name], path)
        case ("flops",):
            flops = importlib.import_module("p_torch").flops
            print(json.dumps({n: [flops(w), w.bytes()] for n, w in WORKLOADS.items()}))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
