"""Where the buffers of the host program lie, and which of them overlap."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xdsl.ir import BlockArgument, SSAValue

from nnc.codegen.functions import Program, called
from nnc.codegen.linear import Linear, address
from nnc.dialects import buffer, kernel, loop
from nnc.dialects.buffer import element_bytes, root, strides_of, type_of


@dataclass(frozen=True)
class Place:
    """A buffer's first element: an argument of the host program (or scratch), plus bytes."""

    root: SSAValue
    offset: Linear


def place_of(value: SSAValue, indices: Mapping[SSAValue, Linear]) -> Place:
    """Follows views to the argument, given what the index values are."""
    if not isinstance(value.owner, buffer.ViewOp):
        return Place(value, Linear())
    op = value.owner
    source, type = place_of(op.source, indices), type_of(op.source)
    offset = address(op.map.data, [indices[i] for i in op.indices], strides_of(type))
    return Place(source.root, source.offset + offset * element_bytes(type.element_type))


def distinct_arguments(
    program: Program, launches: Iterable[kernel.LaunchOp]
) -> dict[str, frozenset[int]]:
    """By kernel, the arguments that `restrict` is true of: nothing written overlaps them."""
    distinct = {
        name: set(range(len(function.block.args))) for name, function in program.kernels.items()
    }
    known: dict[SSAValue, _Extent] = {}
    for launch in launches:
        callee = called(launch, program.kernels)
        name, written = callee.sym_name.data, program.facts(callee).written
        for value in launch.operands:
            if value not in known:
                known[value] = _extent(value)
        extents = [known[value] for value in launch.operands]
        for i, j in _pairs(len(extents), written):
            if extents[i].overlaps(extents[j]):
                distinct[name] -= {i, j}
    changed = True
    while changed:
        changed = any([_narrow(program, f, distinct) for f in program.kernels.values()])
    return {name: frozenset(arguments) for name, arguments in distinct.items()}


def _narrow(program: Program, caller: kernel.FuncOp, distinct: dict[str, set[int]]) -> bool:
    """What the calls inside a kernel say of its micro-kernels; whether it is news."""
    news = False
    for op in caller.walk():
        if not isinstance(op, kernel.CallOp):
            continue
        callee = called(op, program.kernels)
        known = distinct[callee.sym_name.data]
        alone = [_alone(b, caller, distinct) for b in op.buffers]
        for i, j in _pairs(len(op.buffers), program.facts(callee).written):
            same = root(op.buffers[i]) is root(op.buffers[j])
            if (same or not (alone[i] or alone[j])) and known & {i, j}:
                known -= {i, j}
                news = True
    return news


def _alone(value: SSAValue, caller: kernel.FuncOp, distinct: dict[str, set[int]]) -> bool:
    place = root(value)
    return not isinstance(place, BlockArgument) or place.index in distinct[caller.sym_name.data]


def _pairs(count: int, written: Iterable[int]) -> list[tuple[int, int]]:
    return [(i, j) for i in written for j in range(count) if i != j]


class _Unknown(dict[SSAValue, Linear]):
    """Index values that are not known."""

    def __missing__(self, key: SSAValue) -> Linear:
        return Linear.variable("?")


@dataclass(frozen=True)
class _Extent:
    """The bytes from the lowest to the highest element, over all iterations of host loops."""

    root: SSAValue
    low: float
    high: float

    def overlaps(self, other: "_Extent") -> bool:
        """Whether the two buffers may share a byte."""
        return self.root is other.root and self.low < other.high and other.low < self.high


def _extent(value: SSAValue) -> _Extent:
    counts: dict[str, int] = {}
    place = place_of(value, _loop_variables(value, counts))
    if any(name not in counts for name in place.offset.terms):
        return _Extent(place.root, float("-inf"), float("inf"))
    ends = [place.offset.constant, place.offset.constant]
    for name, coefficient in place.offset.terms.items():
        _widen(ends, coefficient * (counts[name] - 1))
    type = type_of(value)
    size = element_bytes(type.element_type)
    for extent, stride in zip(type.get_shape(), strides_of(type), strict=True):
        _widen(ends, (extent - 1) * stride * size)
    return _Extent(place.root, ends[0], ends[1] + size)


def _widen(ends: list[int], distance: int) -> None:
    ends[0 if distance < 0 else 1] += distance


def _loop_variables(value: SSAValue, counts: dict[str, int]) -> dict[SSAValue, Linear]:
    """Names for the induction variables that a buffer's views use, with their counts."""
    indices: dict[SSAValue, Linear] = _Unknown()
    for index in _indices(value):
        block = index.owner
        parent = block.parent_op() if not isinstance(block, buffer.ViewOp) else None
        if isinstance(parent, loop.ForOp) and index is parent.induction_variable:
            name = f"i{len(counts)}"
            counts[name] = parent.count.data
            indices[index] = Linear.variable(name)
    return indices


def _indices(value: SSAValue) -> Sequence[SSAValue]:
    found: list[SSAValue] = []
    while isinstance(value.owner, buffer.ViewOp):
        found.extend(value.owner.indices)
        value = value.owner.source
    return list(dict.fromkeys(found))
