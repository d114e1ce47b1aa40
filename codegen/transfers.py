"""Copies and fills of the host program as small CUDA kernels, one thread for each element."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from nnc.codegen.boxes import Range, border, collapsed
from nnc.codegen.elements import kind, literal
from nnc.codegen.linear import Linear
from nnc.codegen.scope import memory_type
from nnc.codegen.writer import Writer
from nnc.dialects import buffer
from nnc.dialects.buffer import strides_of, type_of
from nnc.dialects.syntax import integers

BLOCK = 128
Transfer = buffer.CopyOp | buffer.FillOp | buffer.FillBorderOp


@dataclass(frozen=True)
class Box:
    """One kernel of a transfer: what it does at each element of a box."""

    ranges: tuple[Range, ...]
    strides: tuple[tuple[int, ...], ...]
    """Of the target, and of the source where there is one."""
    element: str
    """The C type of an element."""
    value: str | None
    """What a fill writes; None is a copy."""

    @property
    def points(self) -> int:
        return prod(end - first for first, end in self.ranges)

    @property
    def grid(self) -> int:
        return -(-self.points // BLOCK)

    def print(self, name: str, out: Writer) -> None:
        source = "" if self.value else f", const {self.element} *source"
        head = f'extern "C" __global__ void __launch_bounds__({BLOCK})'
        with out.function(f"{head} {name}({self.element} *target{source})"):
            out.line(f"const long point = (long)blockIdx.x * {BLOCK} + threadIdx.x;")
            out.line(f"if (point >= {self.points})")
            out.line("    return;")
            coordinates = self._coordinates(out)
            to, *of = [_offset(coordinates, by) for by in self.strides]
            out.line(f"target[{to}] = {self.value or f'source[{of[0]}]'};")

    def _coordinates(self, out: Writer) -> list[Linear]:
        inner = self.points
        found: list[Linear] = []
        for d, (first, end) in enumerate(self.ranges):
            if end - first == 1:
                found.append(Linear(first))
                continue
            inner //= end - first
            text = "point" if inner == 1 else f"point / {inner}"
            if inner * (end - first) < self.points:
                text += f" % {end - first}"
            out.line(f"const long {'ijklmnop'[d]} = {text};")
            found.append(Linear(first, {"ijklmnop"[d]: 1}))
        return found


def _offset(coordinates: Sequence[Linear], strides: Sequence[int]) -> Linear:
    return sum((c * s for c, s in zip(coordinates, strides, strict=True)), Linear())


def boxes_of(op: Transfer) -> list[Box]:
    """The kernels of a copy, a fill or a border."""
    shape = type_of(op.target).get_shape()
    whole = [(0, n) for n in shape]
    match op:
        case buffer.CopyOp():
            return [_box([op.target, op.source], whole, None)]
        case buffer.FillOp():
            return [_box([op.target], whole, _literal(op))]
        case buffer.FillBorderOp():
            around = border(shape, integers(op.low), integers(op.high))
            return [_box([op.target], ranges, _literal(op)) for ranges in around]


def _literal(op: buffer.FillOp | buffer.FillBorderOp) -> str:
    return literal(op.value.value.data, kind(op.target.type))


def _box(values: Sequence[SSAValue], ranges: Sequence[Range], value: str | None) -> Box:
    kept, strides = collapsed(ranges, [strides_of(type_of(v)) for v in values])
    element = memory_type(values[0].type)
    return Box(tuple(kept), tuple(map(tuple, strides)), element, value)
