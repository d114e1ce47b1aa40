"""How long training steps take until gcc starts, and what their programs need.

No step runs, unless `--run` asks for it: then every network also makes its first step, through gcc.
Each line is a process of its own with an empty cache. Seconds are those from the first call of a
`compile_step` to the generated text: recording, gradients and all passes; memory is there already.
The program of a network with more layers of one kind has no more kernels, only more launches.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from models import TransformerLayer

import nnc
from nnc import gluon, nd
from nnc.codegen.artifact import Artifact
from nnc.compilation import execution
from nnc.compilation.compiler import CompiledStructure, compile_structure
from nnc.gluon import nn
from nnc.gluon.model_zoo import vision
from nnc.runtime.report import report_of

VOCABULARY = 30522
MIB = 2**20


class Bert(nn.HybridBlock):
    """BERT-base that predicts a token at every position."""

    def __init__(self, layers: int, length: int):
        super().__init__()
        sizes = SimpleNamespace(D=768, H=12, F=3072, causal=False, norm_first=False)
        self.tokens = nn.Embedding(VOCABULARY, sizes.D)
        self.positions = nn.Embedding(length, sizes.D)
        self.norm = nn.LayerNorm()
        self.layers = nn.HybridSequential(*(TransformerLayer(sizes) for _ in range(layers)))
        self.head = nn.Dense(VOCABULARY, flatten=False)

    def forward(self, tokens: nd.NDArray) -> nd.NDArray:
        x = self.tokens(tokens) + self.positions.weight.data()
        return self.head(self.layers(self.norm(x)))


def bert(layers: int, batch: int, length: int) -> tuple[nn.HybridBlock, str, list[nd.NDArray]]:
    tokens = nd.zeros((batch, length), dtype="int32")
    return Bert(layers, length), "adam", [tokens, tokens]


def resnet18(batch: int) -> tuple[nn.HybridBlock, str, list[nd.NDArray]]:
    images = nd.zeros((batch, 3, 224, 224))
    return vision.resnet18_v1(), "sgd", [images, nd.zeros((batch,), dtype="int32")]


def mobilenet(batch: int) -> tuple[nn.HybridBlock, str, list[nd.NDArray]]:
    images = nd.zeros((batch, 3, 224, 224))
    return vision.mobilenet_v2_1_0(), "sgd", [images, nd.zeros((batch,), dtype="int32")]


STEPS: dict[str, Callable[[], tuple[nn.HybridBlock, str, list[nd.NDArray]]]] = {
    "BERT-base, 8 x 128": lambda: bert(12, 8, 128),
    "the same, 24 layers": lambda: bert(24, 8, 128),
    "BERT-base, 1 x 64": lambda: bert(12, 1, 64),
    "ResNet-18, 32": lambda: resnet18(32),
    "MobileNetV2, 32": lambda: mobilenet(32),
}


class GccError(Exception):
    """Raised where gcc would start."""


def generate(step: Callable[..., Any], inputs: list[nd.NDArray]) -> tuple[Artifact, float]:
    """What the first call of a step hands to gcc, and the seconds until then."""
    made: list[CompiledStructure] = []

    def stop(*arguments: Any) -> CompiledStructure:
        made.append(compile_structure(*arguments))
        raise GccError

    start = time.perf_counter()
    with patch.object(execution, "compile_structure", stop), suppress(GccError):
        step(*inputs)
    seconds = time.perf_counter() - start
    [artifact] = [compiled.artifact for compiled in made if compiled.artifact is not None]
    return artifact, seconds


def measure(name: str, run: bool) -> str:
    """The row of the table."""
    net, optimizer, inputs = STEPS[name]()
    net.initialize("xavier")
    net(inputs[0])  # shapes, and with them memory
    for array in inputs:
        array.wait_to_read()
    options = {"learning_rate": 1e-3} | ({"momentum": 0.9} if optimizer == "sgd" else {})
    trainer = gluon.Trainer(net.collect_params(), optimizer, options)
    for parameter in net.collect_params().values():
        trainer.states(parameter)
    step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
    artifact, seconds = generate(step, inputs)
    report = report_of(artifact)
    text = sum(len(unit.text) for unit in artifact.units) / 1024
    arena, live = artifact.arena_bytes / MIB, report.live_bytes / MIB
    first = f", first step: {first_step(step, inputs)}" if run else ""
    return (
        f"{name:20} {seconds:6.2f} s {len(report.kernels):4} kernels {report.launches:5} launches"
        f" {text:6.0f} KiB of C, arena {arena:7.1f} MiB = {arena / live:.4f} x live{first}"
    )


def first_step(step: Callable[..., Any], inputs: list[nd.NDArray]) -> str:
    """The loss of the first step and the seconds with recording, passes and gcc."""
    start = time.perf_counter()
    loss = float(step(*inputs).mean().asscalar())
    return f"loss {loss:.4f} after {time.perf_counter() - start:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("networks", nargs="*", help=f"some of: {'; '.join(STEPS)} (all)")
    parser.add_argument("--run", action="store_true", help="make the first step too")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in options.networks or STEPS:
        if name not in STEPS:
            parser.error(f"no network is called {name!r}; there are {'; '.join(STEPS)}")
        if options.here:
            print(measure(name, options.run), flush=True)
        else:
            in_a_process(name, options.run)


def in_a_process(name: str, run: bool) -> None:
    """One line, by a process of its own whose cache is empty."""
    command = [sys.executable, __file__, name, "--here", *(["--run"] if run else [])]
    with tempfile.TemporaryDirectory() as cache:
        subprocess.run(command, env={**os.environ, "NNC_CACHE": cache}, check=True)


if __name__ == "__main__":
    main()
