"""Train an MLP and a small CNN on scikit-learn's digits, through generated C.

Writes the IR of each level, the C, a loss curve and the memory plan to demo/.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from plots import loss_curves, memory_plan
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import nnc
from nnc import gluon, nd
from nnc.gluon import nn

Array = np.ndarray[Any, np.dtype[Any]]
BATCH = 64
HELD_OUT = 450
RATE = 3e-3


def mlp() -> nn.HybridSequential:
    return nn.HybridSequential(nn.Dense(256, "relu"), nn.Dense(64, "relu"), nn.Dense(10))


def cnn() -> nn.HybridSequential:
    return nn.HybridSequential(
        nn.Conv2D(16, 3, padding=1, activation="relu"),
        nn.Conv2D(32, 3, padding=1, activation="relu"),
        nn.MaxPool2D(2),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Dense(64, "relu"),
        nn.Dropout(0.3),
        nn.Dense(10),
    )


@dataclass
class Run:
    """How one network's training went."""

    name: str
    step: Any
    compile_seconds: float = 0.0
    losses: list[float] = field(default_factory=list[float])
    """The mean loss of each epoch."""
    accuracy: float = 0.0
    steps_per_second: float = 0.0


def digits() -> tuple[Array, Array, Array, Array]:
    """Images (N, 1, 8, 8) in [0, 1] and labels: training set, then 450 held out, stratified."""
    source: Any = load_digits()
    images = (source.data / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = source.target.astype(np.int32)
    parts: list[Any] = train_test_split(
        images, labels, test_size=HELD_OUT, stratify=labels, random_state=0
    )
    return parts[0], parts[2], parts[1], parts[3]


def train(name: str, make: Callable[[], Any], epochs: int, device: Any, progress: Progress) -> Run:
    x, y, x_test, y_test = digits()
    nnc.random.seed(0)
    net = make()
    net.initialize(nnc.init.Xavier(), device=device)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": RATE, "wd": 1e-4})
    step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
    dataset = gluon.data.ArrayDataset(x, y)
    loader = gluon.data.DataLoader(dataset, BATCH, shuffle=True, last_batch="discard")
    run = Run(name, step)

    begin = time.perf_counter()
    step(x[:BATCH], y[:BATCH])
    run.compile_seconds = time.perf_counter() - begin

    bar = progress.add_task(name, total=epochs * len(loader), loss=float("nan"))
    in_steps = 0.0
    for epoch in range(epochs):
        trainer.set_learning_rate(RATE * (1 - epoch / epochs))
        total = 0.0
        for images, labels in loader:
            begin = time.perf_counter()
            loss = step(images, labels)
            in_steps += time.perf_counter() - begin
            total += float(loss.asnumpy().mean())
            progress.advance(bar)
        run.losses.append(total / len(loader))
        progress.update(bar, loss=run.losses[-1])
    run.steps_per_second = epochs * len(loader) / in_steps
    predicted = net(nd.array(x_test, device=device)).argmax(axis=1).asnumpy()
    run.accuracy = float((predicted == y_test).mean())
    return run


def write(run: Run, folder: Path) -> None:
    """The program of the training step at every level."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, level in enumerate(("frontend", "graph", "groups", "storage", "loops")):
        (folder / f"{number}_{level}.mlir").write_text(run.step.ir(level) + "\n")
    suffix = "cu" if "__global__" in run.step.source else "c"
    (folder / f"5_program.{suffix}").write_text(run.step.source)
    (folder / "report.txt").write_text(f"{run.step.report()}\n")
    title = f"{run.name}: memory of one training step"
    memory_plan(run.step.report(), title, folder / "memory.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="where results go")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu", help="where to train")
    options = parser.parse_args()
    device = nnc.gpu(0) if options.device == "gpu" else nnc.cpu()
    console = Console()
    columns = (
        TextColumn("{task.description:4}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
    )
    with Progress(*columns, console=console) as progress:
        runs = [
            train("MLP", mlp, options.epochs, device, progress),
            train("CNN", cnn, options.epochs, device, progress),
        ]
    table = Table("network", "test accuracy", "steps/s", "compile time")
    for run in runs:
        table.add_row(
            run.name,
            f"{run.accuracy:.4f}",
            f"{run.steps_per_second:,.0f}",
            f"{run.compile_seconds:.2f} s",
        )
        write(run, options.out / run.name.lower())
    console.print(table)
    loss_curves({run.name: run.losses for run in runs}, options.out / "loss.png")
    console.print(f"Every level of IR, the C, and plots are in [bold]{options.out}{os.sep}[/bold]:")
    for path in sorted(options.out.rglob("*.*")):
        console.print(f"  {path}")


if __name__ == "__main__":
    main()
