"""ONNX Runtime on-device training (onnxruntime-training-cpu, last release 1.19.2; its own venv).

It has AdamW with a weight decay set by the artifact, and SGD without momentum, so its losses differ
from the others' by construction. Classification workloads.
"""

import os
from typing import Any

import numpy as np
from step import Setup, Step, ready
from workload import Workload


def setup(workload: Workload, threads: int, variant: str) -> Setup:
    if workload.kind != "train":
        raise NotImplementedError("training only")
    import onnxruntime
    from onnxruntime.training.api import CheckpointState, Module, Optimizer

    folder = os.path.join(os.environ["PEERS_CACHE"], "orttrain_" + workload.name)
    os.makedirs(folder, exist_ok=True)
    make_artifacts(workload, folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    state = CheckpointState.load_checkpoint(os.path.join(folder, "checkpoint"))
    model = Module(
        os.path.join(folder, "training_model.onnx"),
        state,
        os.path.join(folder, "eval_model.onnx"),
        device="cpu",
        session_options=options,
    )
    optimizer = Optimizer(os.path.join(folder, "optimizer_model.onnx"), model)
    optimizer.set_learning_rate(workload.lr)
    model.train()

    def train(*inputs: Any) -> Any:
        loss = model(*inputs)
        optimizer.step()
        model.lazy_reset_grad()
        return loss

    return ready(Step(train, np.asarray, np.asarray), workload.inputs())


def make_artifacts(workload: Workload, folder: str) -> None:
    """The four files that on-device training starts from."""
    import onnx
    import torch
    from onnxruntime.training import artifacts
    from p_torch import ExplicitOps, Module

    path = os.path.join(folder, "forward.onnx")
    inputs = tuple(map(torch.from_numpy, workload.inputs()))
    torch.onnx.export(
        Module(workload, ExplicitOps).train(),
        inputs[:-1],
        path,
        dynamo=False,
        opset_version=17,
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.TRAINING,
        input_names=["x"],
        output_names=["out"],
    )
    model = onnx.load(path)
    names = [tensor.name for tensor in model.graph.initializer]
    trained = [n for n in names if n.startswith("p_") and not n.endswith(("_rm", "_rv"))]
    kind = artifacts.OptimType.AdamW if workload.opt == "adam" else artifacts.OptimType.SGD
    artifacts.generate_artifacts(
        model,
        requires_grad=trained,
        frozen_params=[name for name in names if name not in trained],
        loss=artifacts.LossType.CrossEntropyLoss,
        optimizer=kind,
        artifact_directory=folder,
    )
