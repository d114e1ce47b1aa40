"""Networks as drawings and tables.

A box is a layer, or an operation that stands in a `forward` of your own. A network is drawn as it
is in training, from one call that computes nothing; arrays are drawn from what was recorded.
"""

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from nnc.drawing.network_boxes import Box, Shapes, boxes_of, input_types
from nnc.drawing.program_boxes import boxes_of_program
from nnc.errors import OptionError
from nnc.gluon.symbol_block import SymbolBlock
from nnc.recording.graph import Type, Value

COLORS = {
    "input": "#8dd3c7",
    "product": "#fb8072",
    "activation": "#ffffb3",
    "norm": "#bebada",
    "pool": "#80b1d3",
    "shape": "#fdb462",
    "softmax": "#b3de69",
    "other": "#fccde5",
}
"""MXNet's colors."""
SHOWN = {"groups", "heads", "kernel_size", "num_groups", "num_layers", "p", "size", "stride"}
NO_ATTRS: dict[str, str] = {}
UNBROKEN = "\N{NO-BREAK SPACE}"


def drawn(symbol: Any, shape: Shapes, dtype: Any) -> list[Box]:
    """The boxes to draw; those of a network that was exported are of its program."""
    if isinstance(symbol, SymbolBlock):
        shapes = [type.shape for type in input_types(symbol, shape, dtype).values()]
        return boxes_of_program(symbol.program_for(shapes), symbol.collect_params())
    return boxes_of(symbol, shape, dtype)


def print_summary(
    symbol: Any,
    shape: Shapes = None,
    line_length: int = 120,
    positions: Sequence[float] = (0.44, 0.64, 0.74, 1.0),
) -> None:
    """Print a table of a network's layers: what each gives, how many numbers it learns, its inputs.

    `symbol` is a Block, with the shapes of its inputs, or an array that was recorded. `positions`
    says where columns end, in characters or as parts of `line_length`.
    """
    boxes = drawn(symbol, shape, None)
    ends = [int(line_length * p) if positions[-1] <= 1 else int(p) for p in positions]
    rule, strong = "_" * line_length, "=" * line_length
    print(rule)
    print_row(("Layer (type)", "Output Shape", "Param #", "Previous Layer"), ends)
    print(strong)
    learned: dict[str, int] = {}
    for i, box in enumerate(boxes):
        sizes = {n: math.prod(v.type.shape) for n, v in box.parameters.items() if is_learned(v)}
        learned.update(sizes)
        shapes = ", ".join(written(each) for each in box.results)
        first, *rest = [source.name for source in dict.fromkeys(box.inputs.values())] or [""]
        print_row((f"{box.name} ({box.title})", shapes, str(sum(sizes.values())), first), ends)
        for name in rest:
            print_row(("", "", "", name), ends)
        print(strong if i == len(boxes) - 1 else rule)
    print(f"Total params: {sum(learned.values())}")
    print(rule)


def print_row(cells: Sequence[str], ends: Sequence[int]) -> None:
    """Cells that end where they should, cut if they are too long, with a space between them."""
    line = ""
    for cell, end in zip(cells, ends, strict=True):
        line = (line + cell)[: end - (end < ends[-1])].ljust(end)
    print(line.rstrip())


def plot_network(
    symbol: Any,
    title: str = "plot",
    save_format: str = "pdf",
    shape: Shapes = None,
    dtype: Any = None,
    node_attrs: Mapping[str, str] = NO_ATTRS,
    hide_weights: bool = True,
) -> Any:
    """A drawing of a network, a `graphviz.Digraph`: `.source` is its text, `.render()` writes it.

    `symbol` is a Block, with the shapes of its inputs, or an array that was recorded. Arrows have
    the shapes of what goes along them, and with `dtype`, one for all inputs or by name, the types.
    """
    try:
        from graphviz import Digraph
    except ImportError:
        raise OptionError("plot_network needs graphviz: pip install 'nnc[demo]'") from None
    dot = Digraph(title, format=save_format)
    attributes = {"shape": "box", "style": "filled", "fontname": "sans-serif", **node_attrs}
    for box in drawn(symbol, shape, dtype):
        given = {**attributes, "fillcolor": COLORS[box.kind]}
        if box.kind == "input":
            given["shape"] = "oval"
        dot.node(box.name, label_of(box), **given)
        for value, source in box.inputs.items():
            arrow(dot, box, source.name, value, dtype)
        for name, value in {} if hide_weights else box.parameters.items():
            dot.node(name, name, shape="oval", fontname="sans-serif")
            arrow(dot, box, name, value, dtype)
    return dot


def label_of(box: Box) -> str:
    """What is written in a box: what it is, what it was told, and its place in the network."""
    if box.kind == "input":
        return box.name
    told = [part for part in re.split(r", (?![^(]*\))", box.details) if shown(part)]
    whole = ", ".join(part.replace(" ", UNBROKEN) for part in told)
    lines = [box.title, *textwrap.wrap(whole, 30), box.name]
    return "\n".join(dict.fromkeys(lines)).replace(UNBROKEN, " ")


def shown(part: str) -> bool:
    """Whether a drawing shows this of what `repr` says: settings that change shapes, and names."""
    return "=" not in part or part.partition("=")[0].strip() in SHOWN


def arrow(dot: Any, box: Box, source: str, value: Value, dtype: Any) -> None:
    """From where a value is from to the box, which stands above it, as in MXNet's drawings."""
    label = written(value.type) + (f" ({value.type.dtype})" if dtype is not None else "")
    dot.edge(box.name, source, label=label, dir="back", arrowtail="open", fontname="sans-serif")


def written(type: Type) -> str:
    return "x".join(map(str, type.shape)) or "number"


def is_learned(value: Value) -> bool:
    return value.variable.role == "parameter"
