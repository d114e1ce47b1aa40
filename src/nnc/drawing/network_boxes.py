"""The boxes of a drawing: calls of layers, operations between them, and what goes along."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, cast

from nnc import autograd, nd
from nnc.arrays.array import arrays_in
from nnc.checks import sizes_of
from nnc.dtypes import dtype_name
from nnc.errors import OptionError
from nnc.gluon.block import Block
from nnc.gluon.hooks import HookHandle
from nnc.random import generator
from nnc.recording.graph import Node, Scalar, Type, Value, collect, type_of
from nnc.recording.tracing import Trace, trace, unknown

Shapes = Any
"""Of the inputs: `{"data": (1, 3, 32, 32)}` in the order of `forward`, one shape, or a list."""

KINDS = {
    "product": "attention convolve convolve_transposed dense matmul scan",
    "norm": "batch_norm group_norm instance_norm l2_normalization layer_norm rms_norm",
    "pool": "adaptive_avg_pool avg_pool lp_pool max_pool sum_pool",
    "softmax": "log_softmax softmax",
    "activation": "celu elu gelu gelu_tanh hard_sigmoid hard_swish leaky_relu log_sigmoid mish "
    "prelu relu selu sigmoid silu softplus softsign swish tanh",
    "shape": "broadcast_to concat gather index pad reshape take transpose",
}
"""What operations are, the kind that tells most of a layer first."""


@dataclass(eq=False)
class Box:
    """A layer, an operation or an input."""

    name: str
    title: str
    """What it is: the name of its class or operation."""
    details: str
    results: Sequence[Type]
    operations: set[str] = field(default_factory=set)
    inputs: dict[Value, "Box"] = field(default_factory=dict)
    """The values it reads, and where they are from."""
    parameters: dict[str, Value] = field(default_factory=dict)
    """By their names."""

    @property
    def kind(self) -> str:
        """The first of the kinds of its operations."""
        kinds = (kind for kind, names in KINDS.items() if self.operations & {*names.split()})
        return "input" if self.title == "input" else next(kinds, "other")


@dataclass
class Call:
    """A call of a layer: the nodes between two serial numbers."""

    name: str
    block: Block
    first: int
    last: int
    results: Sequence[Type]


def boxes_of(symbol: Any, shape: Shapes, dtype: Any) -> list[Box]:
    """The boxes of a network or of recorded arrays, each after those it reads."""
    if isinstance(symbol, Block):
        return boxes_of_block(symbol, input_types(symbol, shape, dtype))
    values = [array.current for array in arrays_in("visualization: symbol", symbol)]
    nodes = collect(values, through=True)
    if not nodes:
        raise OptionError(
            "visualization: the array is not recorded; give one that was made inside of "
            "autograd.record(), or a network with the shape of its input"
        )
    leaves = [v for node in nodes for v in node.inputs if v.node is None]
    given = [v for v in dict.fromkeys(leaves) if v.variable is None and not isinstance(v, Scalar)]
    return boxed(nodes, {value: f"input{i}" for i, value in enumerate(given)}, [])


def input_types(net: Block, shape: Shapes, dtype: Any) -> dict[str, Type]:
    """The types of a network's inputs, by name."""
    if not shape:
        raise OptionError(
            "visualization: a network needs the shapes of its inputs, as "
            "shape={'data': (1, 3, 32, 32)}"
        )
    if not isinstance(shape, Mapping):
        several = any(isinstance(one, tuple | list) for one in shape)
        shapes = list(shape) if several else [shape]
        shape = {f"data{i}" if i else "data": each for i, each in enumerate(shapes)}
    dtypes = dtype if isinstance(dtype, Mapping) else dict.fromkeys(shape, dtype)
    places = [parameter.device for parameter in net.collect_params().values()]
    return {
        name: type_of(
            sizes_of(f"visualization: {name}", sizes),
            dtype_name(dtypes.get(name) or "float32"),
            *places[:1],
        )
        for name, sizes in cast(Mapping[str, Any], shape).items()
    }


def boxes_of_block(net: Block, types: Mapping[str, Type]) -> list[Box]:
    """A box for each call of a layer, and for each operation between layers."""
    if not all(parameter.initialized for parameter in net.collect_params().values()):
        with autograd.predict_mode():
            net(*[nd.zeros(t.shape, t.dtype, device=t.device) for t in types.values()])
    calls: list[Call] = []
    with ExitStack() as hooks:
        for name, block in layers_in(net):
            for handle in watch(name or type(block).__name__.lower(), block, calls):
                hooks.enter_context(handle)
        traced = traced_in_training(net, list(types.values()))
    return boxed(traced.nodes, dict(zip(traced.arguments, types, strict=True)), calls)


def layers_in(net: Block) -> Iterator[tuple[str, Block]]:
    """The blocks that are one box: those with none inside, and those that say what they do."""
    inside: str | None = None
    for name, block in net.named_blocks():
        if inside is not None and name.startswith(inside):
            continue
        if block.describe() or len([*block.named_blocks()]) == 1:
            inside = f"{name}." if name else ""
            yield name, block


def watch(name: str, block: Block, calls: list[Call]) -> Iterable[HookHandle]:
    """Lists the calls of a layer from now on."""
    starts: list[int] = []

    def enter(block: Block, args: Any) -> None:
        starts.append(serial_now())

    def leave(block: Block, args: Any, result: Any) -> None:
        results = [array.current.type for array in arrays_in(name, result)]
        calls.append(Call(name, block, starts.pop(), serial_now(), results))

    return block.register_forward_pre_hook(enter), block.register_forward_hook(leave)


def serial_now() -> int:
    """A number between those of the nodes before and after."""
    return Node(unknown, (), (), (), False, None).serial


def traced_in_training(net: Block, types: Sequence[Type]) -> Trace:
    """One call as in training, which changes nothing: no statistics, and no random numbers."""
    counter = generator.counter
    try:
        with autograd.train_mode():
            return trace("visualization", net, types)
    finally:
        generator.counter = counter


def boxed(nodes: Sequence[Node], inputs: Mapping[Value, str], calls: Sequence[Call]) -> list[Box]:
    """Nodes in boxes: those of one call together, each other one alone."""
    sources = {value: Box(name, "input", "", [value.type]) for value, name in inputs.items()}
    unique = distinct(box.name for box in sources.values())
    boxes = list(sources.values())
    of_call: dict[int, Box] = {}
    of_node: dict[Node, Box] = {}
    for node in nodes:
        place = next((i for i, c in enumerate(calls) if c.first < node.serial < c.last), -1)
        box = of_call.get(place)
        if box is None:
            box = made_box(node, calls[place] if place >= 0 else None, unique)
            boxes.append(box)
            if place >= 0:
                of_call[place] = box
        of_node[node] = box
        box.operations.add(node.operation.name)
        for value in node.inputs:
            source = sources.get(value) or of_node.get(cast(Any, value.node))
            if value.variable is not None:
                box.parameters[value.variable.name] = value
            elif source is not None and source is not box:
                box.inputs[value] = source
    return boxes


def distinct(taken: Iterable[str] = ()) -> Callable[[str], str]:
    """Makes names different from all before, and from those that are taken."""
    counts = Counter(taken)

    def unique(name: str) -> str:
        counts[name] += 1
        return name if counts[name] == 1 else unique(f"{name}_{counts[name]}")

    return unique


def made_box(node: Node, call: Call | None, unique: Callable[[str], str]) -> Box:
    """The box of a call, or of a node alone."""
    if call is None:
        name, words = node.operation.name, [a for a in node.attributes if isinstance(a, str)]
        return Box(unique(name), name, ", ".join(words), node.types)
    kind = type(call.block).__name__
    return Box(unique(call.name), kind, call.block.describe(), call.results)
