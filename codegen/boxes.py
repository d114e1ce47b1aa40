"""Boxes of a buffer's elements: what copies and fills run over."""

from collections.abc import Sequence

Range = tuple[int, int]


def border(shape: Sequence[int], low: Sequence[int], high: Sequence[int]) -> list[list[Range]]:
    """Boxes that together are what lies around `[low, shape - high)`, none twice.

    For each dimension the slabs below and above, within the interior of the dimensions before.
    """
    boxes: list[list[Range]] = []
    for d, size in enumerate(shape):
        inner = [(low[e], shape[e] - high[e]) for e in range(d)]
        outer = [(0, shape[e]) for e in range(d + 1, len(shape))]
        for ends in ((0, low[d]), (size - high[d], size)):
            if ends[0] < ends[1]:
                boxes.append([*inner, ends, *outer])
    return boxes


def collapsed(
    ranges: Sequence[Range], strides: Sequence[Sequence[int]]
) -> tuple[list[Range], list[list[int]]]:
    """Whole inner dimensions joined with the one outside of them where memory is contiguous."""
    kept: list[Range] = []
    steps: list[list[int]] = [[] for _ in strides]
    for d in reversed(range(len(ranges))):
        first, end = ranges[d]
        if kept:
            inner_first, size = kept[0]
            pairs = zip(strides, steps, strict=True)
            if inner_first == 0 and all(by[d] == step[0] * size for by, step in pairs):
                kept[0] = (first * size, end * size)
                continue
        kept.insert(0, (first, end))
        for by, step in zip(strides, steps, strict=True):
            step.insert(0, by[d])
    return kept, steps
