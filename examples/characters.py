"""Train a language model of characters on the Python standard library's own sources.

    python examples/characters.py gpt
    python examples/characters.py lstm --steps 400

Nothing is downloaded. Prints the bits that the network needs for each character of files it has
not seen, then writes some text.
"""

import argparse
import sysconfig
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

import nnc
from nnc import autograd, gluon, nd
from nnc.gluon import nn, rnn

Array = np.ndarray[Any, np.dtype[Any]]
LETTERS = "\n" + "".join(map(chr, range(32, 127)))
LENGTH, BATCH, WIDTH = 128, 16, 128


def sources(files: int = 120) -> list[str]:
    """Modules of the standard library, by name."""
    library = Path(sysconfig.get_paths()["stdlib"])
    paths = sorted(library.glob("*.py"), key=lambda path: path.name)[:files]
    return [path.read_text(encoding="utf-8") for path in paths]


def numbered(text: str) -> Array:
    """The number of each letter; what is no letter is a question mark."""
    other = LETTERS.index("?")
    known = {letter: i for i, letter in enumerate(LETTERS)}
    return np.array([known.get(letter, other) for letter in text], np.int32)


def corpus() -> tuple[Array, Array]:
    """All sources but every tenth, and every tenth."""
    texts = list(map(numbered, sources()))
    seen = [text for i, text in enumerate(texts) if i % 10]
    return np.concatenate(seen), np.concatenate(texts[::10])


def batches(text: Array, count: int, random: np.random.Generator) -> Any:
    """Pieces of the text, each with the same piece one letter later."""
    for _ in range(count):
        starts = random.integers(0, len(text) - LENGTH - 1, BATCH)
        pieces = np.stack([text[s : s + LENGTH + 1] for s in starts])
        yield pieces[:, :-1], pieces[:, 1:]


class Layer(nn.HybridBlock):
    """Attention, then a network for each position, both added to the input."""

    def __init__(self, width: int, heads: int, causal: bool = True):
        super().__init__()
        self.first, self.second = nn.LayerNorm(), nn.LayerNorm()
        self.attention = nn.MultiHeadAttention(width, heads, causal=causal)
        self.network = nn.HybridSequential(
            nn.Dense(4 * width, flatten=False), nn.GELU(), nn.Dense(width, flatten=False)
        )

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        x = x + self.attention(self.first(x))
        return x + self.network(self.second(x))


class GPT(nn.HybridBlock):
    """Letters and positions, layers of attention, and a score for each letter that may follow."""

    def __init__(self, width: int = WIDTH, layers: int = 4, heads: int = 4):
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), width)
        self.positions = nn.Embedding(LENGTH, width)
        self.layers = nn.HybridSequential(*(Layer(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm()
        self.scores = nn.Dense(len(LETTERS), flatten=False)

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        places = nd.arange(x.shape[1], dtype="int32", ctx=x.device)
        y = self.letters(x) + self.positions(places)
        return self.scores(self.norm(self.layers(y)))


class CharLSTM(nn.HybridBlock):
    """Letters, a recurrence over them, and a score for each letter that may follow."""

    def __init__(self, width: int = WIDTH, layers: int = 2):
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), width)
        self.recurrence = rnn.LSTM(2 * width, layers, layout="NTC")
        self.scores = nn.Dense(len(LETTERS), flatten=False)

    def forward(self, x: nd.NDArray) -> nd.NDArray:
        return self.scores(self.recurrence(self.letters(x)))


NETWORKS = {"gpt": GPT, "lstm": CharLSTM}


def initialized(name: str, seed: int) -> Any:
    """A network with its parameters drawn."""
    nnc.random.seed(seed)
    net = NETWORKS[name]()
    net.initialize(nnc.init.Normal(0.05))
    return net


def train(net: Any, text: Array, steps: int, rate: float, seed: int) -> list[float]:
    """The loss of each step, in bits for a letter."""
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": rate})
    step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
    losses: list[nd.NDArray] = []
    for x, following in track(batches(text, steps, np.random.default_rng(seed)), "training", steps):
        losses.append(step(nd.array(x, dtype="int32"), nd.array(following, dtype="int32")))
    return [float(loss.mean()) / np.log(2) for loss in losses]


def bits(net: Any, text: Array, count: int = 40) -> float:
    """Bits for a letter of other text."""
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    def mean_loss(x: nd.NDArray, following: nd.NDArray) -> nd.NDArray:
        return loss_of(net(x), following).mean()

    score = nnc.compile(mean_loss)
    pieces = batches(text, count, np.random.default_rng(0))
    found = [
        float(score(nd.array(x, dtype="int32"), nd.array(y, dtype="int32"))) for x, y in pieces
    ]
    return float(np.mean(found) / np.log(2))


def write(net: Any, start: str, count: int, seed: int) -> str:
    """`start`, and letters drawn from what the network expects to follow."""
    random, letters = np.random.default_rng(seed), [LETTERS.index(c) for c in start]

    def probabilities(x: nd.NDArray) -> nd.NDArray:
        return nd.softmax(net(x), axis=-1)

    score = nnc.compile(probabilities)
    for _ in range(count):
        seen = letters[-LENGTH:]
        x = np.zeros((1, LENGTH), np.int32)
        x[0, : len(seen)] = seen
        expected = score(nd.array(x, dtype="int32")).asnumpy()[0, len(seen) - 1].astype("f8")
        letters.append(int(random.choice(len(LETTERS), p=expected / expected.sum())))
    return "".join(LETTERS[i] for i in letters)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a language model of characters.")
    parser.add_argument("network", choices=sorted(NETWORKS))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate of Adam")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    seen, unseen = corpus()
    net = initialized(arguments.network, arguments.seed)
    with autograd.pause():
        net(nd.zeros((1, LENGTH), dtype="int32"))
    started = time.perf_counter()
    losses = train(net, seen, arguments.steps, arguments.rate, arguments.seed)
    took = time.perf_counter() - started
    print(f"{arguments.steps / took:.1f} steps/s; bits per character at first {losses[0]:.3f},")
    print(f"at last {np.mean(losses[-20:]):.3f}, in files it has not seen {bits(net, unseen):.3f}")
    print(write(net, "def ", 200, arguments.seed))


if __name__ == "__main__":
    main()
