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


class Operators(mx.gluon.HybridBlock):
    """Operators that exported networks have, two inputs and two results."""

    def __init__(self) -> None:
        super().__init__()
        with self.name_scope():
            self.up = nn.Conv2DTranspose(2, 3, strides=2, in_channels=2)
            self.norm = nn.LayerNorm(in_channels=4)
            self.words = nn.Embedding(5, 4)
            self.leaky = nn.LeakyReLU(0.1)
            self.group = nn.Conv2D(4, 3, groups=2, padding=1, use_bias=False, in_channels=2)
            self.batch = nn.BatchNorm(in_channels=4, scale=False)
            self.scale = self.params.get("scale", shape=(1, 4), init="uniform")

    def hybrid_forward(self, F: Any, image: Any, words: Any, scale: Any) -> Any:
        x = self.batch(self.group(self.leaky(self.up(image))))
        parts = F.split(F.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="avg"), 2)
        x = F.concat(parts[1], F.relu(parts[0]) * 2 + 1, dim=1)
        x = F.Pooling(x, global_pool=True, kernel=(1, 1)).reshape((0, -1))
        y = self.norm(self.words(words)).mean(axis=1)
        z = F.broadcast_mul(F.softmax(x - y), 1 - scale)
        return F.clip(F.L2Normalization(z / 2, mode="instance"), -0.9, 0.9), F.slice_axis(
            F.transpose(F.stack(x, y, axis=1), axes=(0, 2, 1)), axis=1, begin=1, end=None
        )


def record_operators() -> dict[str, Any]:
    """Exports the network; gives what it is given and computes."""
    net = Operators()
    net.initialize(mx.init.Normal(0.5))
    net.hybridize()
    image = mx.nd.array(np.random.RandomState(0).randn(3, 2, 4, 4))
    words = mx.nd.array([[0, 1, 4], [2, 2, 3], [4, 0, 1]])
    first, second = net(image, words)
    net.export(str(HERE / "operators"))
    (HERE / "operators-0000.params").rename(HERE / "operators.params")
    return {"image": image, "words": words, "first": first, "second": second}


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
    record_recurrent()
    counted = np.arange(6).reshape(2, 3)
    typed = {dtype: mx.nd.array(counted, dtype=dtype) for dtype in DTYPES}
    mx.nd.save(str(HERE / "output.params"), {"output": output, **typed})
    mx.nd.save(str(HERE / "operators-output.params"), record_operators())


if __name__ == "__main__":
    main()
