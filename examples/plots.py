"""The demo's pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

from nnc.runtime.report import Report

COLORS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#64b5cd")


def loss_curves(losses: Mapping[str, Sequence[float]], path: Path) -> None:
    """The mean loss of each epoch, one curve for each network."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for (name, values), color in zip(losses.items(), COLORS, strict=False):
        axes.plot(range(1, len(values) + 1), values, label=name, color=color, linewidth=2)
    axes.set(xlabel="epoch", ylabel="mean training loss", yscale="log", title="Digits")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def memory_plan(report: Report, title: str, path: Path) -> None:
    """Each buffer of the arena as a rectangle: from its first to its last op, at its offset."""
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    scale = 1024
    tallest = max((b.bytes for b in report.buffers), default=1)
    ops = max((b.last for b in report.buffers), default=0) + 1
    for number, b in enumerate(report.buffers):
        width = b.last - b.first + 1
        color = COLORS[number % len(COLORS)]
        axes.bar(
            b.first, b.bytes / scale, width, b.offset / scale, align="edge",
            color=color, alpha=0.75, edgecolor="white", linewidth=1.5,
        )  # fmt: skip
        between = "\n" if b.bytes > tallest / 4 else "  "
        label = f"{b.name}{between}{b.bytes / scale:.0f} KiB"
        longest = max(map(len, label.split("\n")))
        if b.bytes > tallest / 15 and width > ops * longest / 100:  # There is room for it.
            middle = b.first + width / 2, (b.offset + b.bytes / 2) / scale
            axes.annotate(label, middle, ha="center", va="center", fontsize=8, color="black")
    arena, live = report.arena_bytes / scale, report.live_bytes / scale
    axes.axhline(arena, color="#333333", linewidth=1, linestyle="--")
    axes.set(
        xlabel="op of the program", ylabel="offset in the arena (KiB)", ylim=(0, arena * 1.1 or 1)
    )
    axes.set_title(f"{title}\narena {arena:.1f} KiB, at most {live:.1f} KiB alive at a time")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
