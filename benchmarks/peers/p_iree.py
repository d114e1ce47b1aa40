"""IREE (llvm-cpu, this host's CPU), from JAX's StableHLO of the same workload."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from step import Setup, Step, ready
from workload import Array, Workload, channels_last

WORKER = Path(__file__).parents[1] / "worker.py"


def emit(workload: Workload, path: str) -> None:
    """Write the workload's StableHLO, and beside it its first arguments."""
    import jax
    from p_jax import infer_function, native_params, train_arguments, train_function

    inputs = [channels_last(array) for array in workload.inputs()]
    if workload.kind == "infer":
        function, arguments = infer_function(workload), [native_params(workload), *inputs]
    else:
        function, arguments = train_function(workload), [*train_arguments(workload), *inputs]
    flat, tree = jax.tree.flatten(arguments)

    def main(*leaves: Any) -> Any:
        return tuple(jax.tree.leaves(function(*jax.tree.unflatten(tree, leaves))))

    lowered = jax.jit(main, keep_unused=True).lower(*flat)
    Path(path).write_text(lowered.as_text())
    np.savez(path + ".npz", **{f"a{i}": leaf for i, leaf in enumerate(flat)})


def setup(workload: Workload, threads: int, variant: str) -> Setup:
    from iree import compiler, runtime

    path = os.path.join(os.environ["PEERS_CACHE"], workload.name + ".mlir")
    if not os.path.exists(path):
        command = [sys.executable, str(WORKER), "emit", workload.name, path]
        subprocess.run(command, check=True, stdout=sys.stderr)
    binary = compiler.compile_file(
        path,
        target_backends=["llvm-cpu"],
        input_type="stablehlo",
        extra_args=["--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O3"],
    )
    if threads > 1:
        runtime.flags.parse_flags(f"--task_topology_group_count={threads}")
    config = runtime.Config("local-task" if threads > 1 else "local-sync")
    context = runtime.SystemContext(config=config)
    context.add_vm_module(runtime.VmModule.copy_buffer(context.instance, binary))
    main = [context.modules[name] for name in context.modules if name != "hal"][-1]["main"]

    saved = np.load(path + ".npz")
    inputs = workload.inputs()
    count = len(saved.files) - len(inputs)
    carried = [runtime.asdevicearray(config.device, saved[f"a{i}"]) for i in range(count)]

    def infer(*inputs: Any) -> Any:
        return main(*carried, *inputs)

    def train(*inputs: Any) -> Any:
        nonlocal carried
        *carried, loss = main(*carried, *inputs)
        return loss

    def to_numpy(output: Any) -> Array:
        return output.to_host() if hasattr(output, "to_host") else np.asarray(output)

    step = Step(
        infer if workload.kind == "infer" else train,
        lambda array: runtime.asdevicearray(config.device, channels_last(array)),
        to_numpy,
    )
    return ready(step, inputs)
