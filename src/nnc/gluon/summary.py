"""What the blocks of a network give, as a table."""

import math
from collections.abc import Sequence
from typing import Any

from nnc.arrays.array import NDArray
from nnc.gluon.block import Block
from nnc.gluon.hooks import HookHandle


def summary(net: Block, inputs: Sequence[Any]) -> str:
    """A line for each call of a block: its name, the shapes it gave, its own parameters."""
    blocks: list[Block] = []
    net.apply(blocks.append)
    rows: list[tuple[str, str, str]] = []
    handles = [watch(block, rows) for block in dict.fromkeys(blocks)]
    try:
        net(*inputs)
    finally:
        for handle in handles:
            handle.detach()
    total = sum(size(parameter.shape) for parameter in dict.fromkeys(net.collect_params().values()))
    rows = [("block", "output", "parameters"), *rows, ("all", "", str(total))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        f"{name:{widths[0]}}  {given:{widths[1]}}  {count:>{widths[2]}}"
        for name, given, count in rows
    )


def watch(block: Block, rows: list[tuple[str, str, str]]) -> HookHandle:
    """From now on calls of the block are listed."""

    def listed(block: Block, args: Any, result: Any) -> None:
        results: Sequence[Any] = result if isinstance(result, list | tuple) else [result]
        shapes = [str(one.shape) for one in results if isinstance(one, NDArray)]
        count = sum(size(parameter.shape) for parameter in block.params.values())
        rows.append((type(block).__name__, ", ".join(shapes), str(count)))

    return block.register_forward_hook(listed)


def size(shape: tuple[int, ...] | None) -> int:
    return math.prod(shape or (0,))
