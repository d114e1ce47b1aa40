"""What the blocks of a network give, as a table."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from nnc.arrays.array import NDArray
from nnc.gluon.block import Block
from nnc.gluon.hooks import HookHandle
from nnc.gluon.parameter import Parameter

Row = tuple[str, str, str, str]


def summary(net: Block, inputs: Sequence[Any]) -> str:
    """A line for each call of a block: its place, its class, the shapes it gave, its parameters."""
    places: dict[Block, str] = {}
    for place, block in net.named_blocks():
        places.setdefault(block, place)
    rows: list[Row] = [
        ("place", "block", "output", "parameters"),
        ("", "input", shapes(inputs), ""),
    ]
    handles = [watch(place, block, rows) for block, place in places.items()]
    try:
        net(*inputs)
    finally:
        for handle in handles:
            handle.detach()
    parameters = net.collect_params().values()
    trained = [parameter for parameter in parameters if parameter.grad_req != "null"]
    rows += [("all", "", "", numbers(parameters)), ("trained", "", "", numbers(trained))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(map(str.ljust, texts, widths)) + f"  {count:>{widths[-1]}}"
        for *texts, count in rows
    ]
    return "\n".join(map(str.rstrip, lines))


def watch(place: str, block: Block, rows: list[Row]) -> HookHandle:
    """From now on calls of the block are listed."""

    def listed(block: Block, args: Any, result: Any) -> None:
        results: Sequence[Any] = result if isinstance(result, list | tuple) else [result]
        count = numbers(block.params.values())
        rows.append((place, type(block).__name__, shapes(results), count))

    return block.register_forward_hook(listed)


def shapes(arrays: Iterable[Any]) -> str:
    return ", ".join(str(one.shape) for one in arrays if isinstance(one, NDArray))


def numbers(parameters: Iterable[Parameter]) -> str:
    """How many numbers the parameters have, each counted once."""
    return f"{sum(math.prod(p.shape or (0,)) for p in dict.fromkeys(parameters)):,}"
