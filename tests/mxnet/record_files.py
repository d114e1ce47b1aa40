"""Writes the `.params` files of this folder; MXNet runs it, see README.md."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np

np.bool = bool  # MXNet 1.9.1 asks for it, NumPy has dropped it.
mx: Any = importlib.import_module("mxnet")
nn: Any = importlib.import_module("mxnet.gluon.nn")
HERE = Path(__file__).parent
DTYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")


def network() -> Any:
    net = nn.HybridSequential()
    with net.name_scope():
        net.add(nn.Conv2D(2, 2, in_channels=1), nn.BatchNorm(in_channels=2))
        for inputs, outputs in ((8, 3), (3, 3), (3, 2)):
            net.add(nn.Dense(outputs, in_units=inputs))
        net.add(nn.PReLU())
    net.initialize(mx.init.Normal(0.5))
    net.hybridize()
    return net


def record_recurrent() -> None:
    rnn: Any = importlib.import_module("mxnet.gluon.rnn")
    net = nn.HybridSequential()
    net.add(rnn.LSTM(2, 2, bidirectional=True, input_size=1), rnn.GRU(1, input_size=4))
    net.initialize(mx.init.Normal(0.5))
    net.save_parameters(str(HERE / "recurrent.params"))


def main() -> None:
    mx.random.seed(0)
    net = network()
    output = net(mx.nd.ones((1, 1, 3, 3)))
    net.save_parameters(str(HERE / "structural.params"))
    net.collect_params().save(str(HERE / "scoped.params"))
    net.export(str(HERE / "exported"))
    (HERE / "exported-0000.params").rename(HERE / "exported.params")
    (HERE / "exported-symbol.json").unlink()
    record_recurrent()
    counted = np.arange(6).reshape(2, 3)
    typed = {dtype: mx.nd.array(counted, dtype=dtype) for dtype in DTYPES}
    mx.nd.save(str(HERE / "output.params"), {"output": output, **typed})


if __name__ == "__main__":
    main()
