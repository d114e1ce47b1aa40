"""A training that goes on from its last checkpoint: `killed_training.py FOLDER STEPS`.

It writes a checkpoint after each step, says `ready` after its first one, and at the end writes
`result`: a digest of all that the training is.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

import nnc
from nnc import autograd, checkpoint, gluon, nd
from nnc.gluon import nn
from nnc.gluon.data import ArrayDataset, DataLoader

BATCH = 16


def batches() -> DataLoader:
    """Of samples that do not divide into batches, in an order that is drawn."""
    draws = np.random.default_rng(0)
    x = draws.normal(size=(100, 64)).astype(np.float32)
    y = draws.integers(0, 10, 100).astype(np.int32)
    return DataLoader(ArrayDataset(x, y), BATCH, shuffle=True, last_batch="rollover")


def network() -> nn.HybridSequential:
    net = nn.HybridSequential(nn.Dense(200, activation="relu"), nn.BatchNorm(), nn.Dropout(0.5))
    net.add(nn.Dense(10))
    net.initialize(nnc.init.Xavier())
    net(nd.zeros((BATCH, 64)))
    return net


def digest(net: nn.HybridSequential, trainer: gluon.Trainer, losses: list[float]) -> str:
    """Of the last parameters, states and random numbers, and of every loss on the way."""
    arrays = [p.data() for p in net.collect_params().values()]
    arrays += [s for p in net.collect_params("weight|bias").values() for s in trainer.states(p)]
    found = hashlib.sha256(repr((losses, nnc.random.generator.state_dict())).encode())
    for array in arrays:
        found.update(array.asnumpy().tobytes())
    return found.hexdigest()


def train(folder: Path, steps: int) -> None:
    nnc.random.seed(0)
    net, loader = network(), batches()
    schedule = nnc.lr_scheduler.CosineScheduler(10_000, base_lr=0.01, warmup_steps=20)
    optimizer = nnc.optimizer.Adam(lr_scheduler=schedule)
    trainer = gluon.Trainer(net.collect_params(), optimizer)
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    runs = checkpoint.Checkpoints(folder / "run", net, trainer, loader, keep=2)
    progress: dict[str, Any] = runs.resume() or {"losses": []}
    losses: list[float] = progress["losses"]
    ready = False
    while len(losses) < steps:
        for data, label in loader:
            with autograd.record():
                loss = loss_of(net(data), label)
            loss.backward()
            trainer.step(BATCH)
            losses.append(float(loss.mean()))
            runs.save(losses=losses)
            if not ready:
                print("ready", flush=True)
                ready = True
            if len(losses) == steps:
                break
    (folder / "result").write_text(digest(net, trainer, losses))


if __name__ == "__main__":
    train(Path(sys.argv[1]), int(sys.argv[2]))
