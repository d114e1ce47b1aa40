"""The benchmarks' networks have the workloads' parameters; `make bench` compares the results."""

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2] / "benchmarks"
KINDS = "gemmw_128 mlp_infer_b1 lenet_train resnet18_train mobilenet bert2l_train gpt lstm"


@pytest.mark.parametrize("prefix", KINDS.split())
def test_network_takes_the_parameters(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from p_nnc import network
    from workloads import WORKLOADS

    workload = next(w for name, w in WORKLOADS.items() if name.startswith(prefix))
    net = network(workload, workload.name.split("_")[0])
    held = [p.data().asnumpy() for n, p in net.collect_params().items() if "h2h_bias" not in n]
    for values, given in zip(held, workload.params().values(), strict=True):
        assert np.array_equal(np.sort(values, None), np.sort(given, None))  # Dense transposes
