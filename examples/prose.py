"""Train an encoder to tell prose from code, on the Python standard library's own sources.

    python examples/prose.py

A piece of 64 letters is prose if its middle lies in a comment or in a text of several lines. The
network is BERT's in small: every position attends to all others. Prints the accuracy on files it
has not seen.
"""

import argparse
import io
import tokenize
from typing import Any

import numpy as np
from characters import LETTERS, Array, Layer, numbered, sources
from rich.progress import track

import nnc
from nnc import gluon, nd
from nnc.gluon import nn

LENGTH, BATCH, WIDTH = 64, 32, 64


def is_prose(text: str) -> Array:
    """For each letter, whether it lies in a comment or in a text of several lines."""
    lines = text.splitlines(keepends=True)
    starts = np.cumsum([0, *map(len, lines)])
    found = np.zeros(len(text) + 1, np.int32)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        long = token.type == tokenize.STRING and token.start[0] != token.end[0]
        if long or token.type == tokenize.COMMENT:
            first, last = (starts[row - 1] + column for row, column in (token.start, token.end))
            found[first:last] = 1
    return found[: len(text)]


def pieces(files: list[tuple[Array, Array]], random: np.random.Generator) -> tuple[Array, Array]:
    """A batch of pieces, as much prose as code, and what they are."""
    taken: list[Array] = []
    labels = np.arange(BATCH, dtype=np.int32) % 2
    for label in labels:
        while True:
            letters, prose = files[random.integers(len(files))]
            start = random.integers(0, len(letters) - LENGTH)
            if prose[start + LENGTH // 2] == label:
                break
        taken.append(letters[start : start + LENGTH])
    return np.stack(taken), labels


class Encoder(nn.HybridBlock):
    """Letters and positions, layers of attention, and two scores for the mean of all positions."""

    def __init__(self, layers: int = 2, heads: int = 4):
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), WIDTH)
        self.positions = nn.Embedding(LENGTH, WIDTH)
        stack = (Layer(WIDTH, heads, causal=False) for _ in range(layers))
        self.layers = nn.HybridSequential(*stack)
        self.norm = nn.LayerNorm()
        self.scores = nn.Dense(2)

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        places = nd.arange(x.shape[1], dtype="int32", ctx=x.device)
        y = self.layers(self.letters(x) + self.positions(places))
        return self.scores(self.norm(y).mean(axis=1))


def accuracy(net: Any, files: list[tuple[Array, Array]], count: int = 40) -> float:
    """Of pieces of these files."""
    score, random, right = nnc.compile(net), np.random.default_rng(0), 0
    for _ in range(count):
        x, labels = pieces(files, random)
        right += int(np.sum(score(nd.array(x)).asnumpy().argmax(1) == labels))
    return right / (count * BATCH)


def main(steps: int = 500) -> float:
    files = [(numbered(text), is_prose(text)) for text in sources() if len(text) > 10 * LENGTH]
    seen = [file for i, file in enumerate(files) if i % 10]
    nnc.random.seed(0)
    random = np.random.default_rng(0)
    net = Encoder()
    net.initialize(nnc.init.Normal(0.05))
    net(nd.array(pieces(seen, random)[0]))
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-3})
    step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
    for _ in track(range(steps), "training"):
        x, labels = pieces(seen, random)
        step(nd.array(x), nd.array(labels))
    found = accuracy(net, files[::10])
    print(f"accuracy on files it has not seen: {found:.3f}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train an encoder to tell prose from code.")
    parser.add_argument("--steps", type=int, default=500)
    main(parser.parse_args().steps)
