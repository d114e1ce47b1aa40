"""Tile ops across lanes: reductions along a dimension, and transposes."""

from collections.abc import Sequence

from nnc.codegen.elements import VALUE_TYPES, kind, literal
from nnc.codegen.form import Atom
from nnc.codegen.helpers import VECTOR
from nnc.codegen.scope import Scope
from nnc.dialects import tile
from nnc.dialects.syntax import integers

_NEUTRAL = {"sum": 0.0, "prod": 1.0, "max": float("-inf"), "min": float("inf")}
_INTEGER_NEUTRAL = {"sum": 0, "prod": 1, "max": -(1 << 31), "min": (1 << 31) - 1}


def reduce(scope: Scope, op: tile.ReduceOp) -> None:
    """Combines halves pairwise: rows with rows, native vectors with native vectors, then lanes."""
    shape = tile.tile_type(op.input).get_shape()
    (dimension,) = integers(op.dimension)
    if dimension == len(shape) - 1:
        for row in range(scope.grid(op.input).rows):
            text = _row(scope, op, row, shape[-1])
            position = (row, 0) if scope.grid(op.output).column else (0, row)
            scope.define(op.output, *position, text, op.kind.data)
        return
    for part in range(scope.grid(op.input).parts):
        cells = [scope.cell(op.input, row, part) for row in range(shape[0])]
        text = _tree(scope, op, cells, scope.is_native(op.input))
        scope.define(op.output, 0, part, text, op.kind.data)


def _row(scope: Scope, op: tile.ReduceOp, row: int, size: int) -> str:
    """A scalar expression of one row's reduction."""
    if scope.grid(op.input).column:
        return _tree(scope, op, [scope.element(op.input, i) for i in range(size)], False)
    native = scope.is_native(op.input)
    parts = scope.grid(op.input).parts
    cells = [scope.cell(op.input, row, part) for part in range(parts)]
    if native and size % scope.lanes:
        cells[-1] = _neutralised(scope, op, cells[-1], size % scope.lanes)
    text = _tree(scope, op, cells, native)
    if not native:
        return text
    return f"{scope.helpers.across(op.kind.data, kind(op.input.type))}({text})"


def _neutralised(scope: Scope, op: tile.ReduceOp, cell: str, count: int) -> str:
    """The cell with lanes from `count` on replaced by the reduction's neutral element."""
    element = kind(op.input.type)
    neutrals = _NEUTRAL if element == "f32" else _INTEGER_NEUTRAL
    neutral = scope.splat(Atom(literal(neutrals[op.kind.data], element)), element)
    mask = ", ".join("-1" if lane < count else "0" for lane in range(scope.lanes))
    select = scope.helpers.lanewise("select", element, vector=True)
    return f"{select}((vi){{{mask}}}, {cell}, {neutral})"


def _tree(scope: Scope, op: tile.ReduceOp, cells: Sequence[str], native: bool) -> str:
    """An expression that combines the cells, the second half with the first."""
    element = kind(op.input.type)
    c_type = VECTOR[element] if native else VALUE_TYPES[element]
    cells = list(cells)
    while len(cells) > 2:
        half = (len(cells) + 1) // 2
        base = scope.names.fresh(f"{op.kind.data}_half", [f"_{i}" for i in range(half)])
        for i in range(len(cells) - half):
            text = combine(scope, op.kind.data, element, native, cells[i], cells[i + half])
            scope.out.line(f"{c_type} {base}_{i} = {text};")
            cells[i] = f"{base}_{i}"
        cells = cells[:half]
    if len(cells) == 1:
        return cells[0]
    return combine(scope, op.kind.data, element, native, *cells)


def combine(scope: Scope, reduction: str, element: str, native: bool, a: str, b: str) -> str:
    """`a` and `b` combined as the reduction says."""
    if reduction in ("sum", "prod"):
        return f"{a} {'+' if reduction == 'sum' else '*'} {b}"
    return f"{scope.helpers.extreme(reduction, element, native)}({a}, {b})"


def transpose(scope: Scope, op: tile.TransposeOp) -> None:
    """Blocks of lanes by lanes are transposed by log2(lanes) rounds of exchanges between rows."""
    if scope.lanes == 1:
        for row, part in scope.grid(op.output).cells():
            scope.bind(op.output, row, part, scope.atom(op.input, part, row))
        return
    source, result = scope.grid(op.input), scope.grid(op.output)
    vector, lanes = scope.c_type(op.input), scope.lanes
    for block in range(result.parts):
        for part in range(source.parts):
            rows = [
                scope.cell(op.input, r, part) if r < source.rows else "{0}"
                for r in range(block * lanes, (block + 1) * lanes)
            ]
            names = _exchanged(scope, op, vector, rows)
            for lane, name in enumerate(names):
                if part * lanes + lane < result.rows:
                    scope.bind(op.output, part * lanes + lane, block, Atom(name))


def _exchanged(scope: Scope, op: tile.TransposeOp, vector: str, rows: Sequence[str]) -> list[str]:
    """Named rows of a square block, transposed."""
    base = scope.names.fresh(
        op.output.name_hint or "transposed", [f"_{i}" for i in range(len(rows))]
    )
    names = [f"{base}_{i}" for i in range(len(rows))]
    for name, row in zip(names, rows, strict=True):
        scope.out.line(f"{vector} {name} = {row};")
    distance = scope.lanes // 2
    while distance:
        helper = scope.helpers.exchange(distance, vector)
        for i, name in enumerate(names):
            if not i & distance:
                scope.out.line(f"{helper}(&{name}, &{names[i + distance]});")
        distance //= 2
    return names
