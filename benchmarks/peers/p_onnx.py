"""Peers that take ONNX: ONNX Runtime, OpenVINO (float32 and its own default precision), TVM."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from step import Setup, Step, ready
from workload import Array, Workload

WORKER = Path(__file__).parents[1] / "worker.py"


def onnx_path(workload: Workload) -> str:
    """The exported workload; another process makes it, so that torch is not in this one."""
    path = os.path.join(os.environ["PEERS_CACHE"], workload.name + ".onnx")
    if not os.path.exists(path):
        command = [sys.executable, str(WORKER), "export", workload.name, path + ".tmp"]
        subprocess.run(command, check=True, stdout=sys.stderr)
        os.rename(path + ".tmp", path)
    return path


def setup_onnxruntime(workload: Workload, threads: int, variant: str) -> Setup:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(
        onnx_path(workload), options, providers=["CPUExecutionProvider"]
    )
    names = [node.name for node in session.get_inputs()]

    def infer(*inputs: Array) -> Any:
        return session.run(None, dict(zip(names, inputs, strict=True)))[0]

    return ready(Step(infer, np.asarray, np.asarray), workload.inputs())


class OpenVinoStep(Step):
    """Inputs live in the request: setting them is not part of a step."""

    def feed(self, arrays: Sequence[Array]) -> None:
        super().feed(arrays)
        for index, tensor in enumerate(self.arrays):
            self.output.set_input_tensor(index, tensor)

    def __call__(self) -> None:
        self.output.infer()


def setup_openvino(workload: Workload, threads: int, variant: str) -> Setup:
    import openvino

    config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if variant == "openvino":
        config["INFERENCE_PRECISION_HINT"] = "f32"
    model = openvino.Core().compile_model(onnx_path(workload), "CPU", config)
    step = OpenVinoStep(
        compute=lambda: None,
        convert=openvino.Tensor,
        to_numpy=lambda request: request.get_output_tensor(0).data.copy(),
        output=model.create_infer_request(),
    )
    return ready(step, workload.inputs())


def setup_tvm(workload: Workload, threads: int, variant: str) -> Setup:
    os.environ["TVM_NUM_THREADS"] = str(threads)
    import onnx
    import tvm
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx

    module = from_onnx(onnx.load(onnx_path(workload)), keep_params_in_input=False)
    target = tvm.target.Target({"kind": "llvm", "mcpu": "native", "num-cores": threads})
    machine = relax.VirtualMachine(tvm.compile(module, target=target), tvm.cpu())

    def to_numpy(output: Any) -> Array:
        while not hasattr(output, "numpy"):
            output = output[0]
        return output.numpy()

    return ready(Step(machine["main"], tvm.runtime.tensor, to_numpy), workload.inputs())


SETUPS = {
    "ort": setup_onnxruntime,
    "openvino": setup_openvino,
    "openvino-default": setup_openvino,
    "tvm": setup_tvm,
}


def setup(workload: Workload, threads: int, variant: str) -> Setup:
    if workload.kind != "infer":
        raise NotImplementedError("inference only")
    return SETUPS[variant](workload, threads, variant)
