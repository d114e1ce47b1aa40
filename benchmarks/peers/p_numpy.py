"""numpy with its bundled OpenBLAS: products and MLP inference only."""

import numpy as np
from step import Setup, Step, ready
from workload import Workload


class Ops:
    """The op set, as far as these workloads need it."""

    matmul = staticmethod(np.matmul)
    linear = staticmethod(lambda x, w, b: x @ w.T + b)
    relu = staticmethod(lambda x: np.maximum(x, 0))


def setup(workload: Workload, threads: int, variant: str) -> Setup:
    if not workload.name.startswith(("gemm", "mlp_infer")):
        raise NotImplementedError("numpy: products and MLP inference only")
    params = workload.params()
    step = Step(lambda *inputs: workload.forward(Ops, params, *inputs), np.asarray, np.asarray)
    return ready(step, workload.inputs())
