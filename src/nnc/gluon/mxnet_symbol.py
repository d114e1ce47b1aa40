"""Networks as MXNet 1.x exports them: `NAME-symbol.json`, a graph of operators by their names.

`nodes` are in the order of computation, each with `op`, `name`, `attrs` (texts; before 1.0 called
`attr` or `param`) and `inputs`, pairs of a node and which of its results. The operator "null" is an
input or a parameter. `heads` are the results.
"""

import ast
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any, NamedTuple

from nnc import nd
from nnc.arrays.array import NDArray
from nnc.errors import OptionError, ShapeError
from nnc.gluon.block import HybridBlock
from nnc.gluon.parameter import Parameter
from nnc.recording.tracing import arrays_of

VARIABLE = "null"
WITHOUT_MEANING = {
    "ctx", "cudnn_off", "cudnn_tune", "max_calib_range", "min_calib_range", "num_args",
    "sparse_grad", "workspace",
}  # fmt: skip
"""Settings that say how MXNet computes, not what."""
OF_FILES = {"load", "save"}
"""Functions of `nd` that a network must not call."""
FIRST_CHANNELS = {"None", "NCW", "NCHW", "NCDHW"}
MOVING = slice(3, 5)
"""Inputs of `BatchNorm` that are not trained."""


class Node(NamedTuple):
    """An operator of the graph."""

    operator: str
    name: str
    settings: Mapping[str, str]
    inputs: Sequence[tuple[int, int]]


class Graph(NamedTuple):
    """What is computed and which of it are results."""

    nodes: Sequence[Node]
    heads: Sequence[tuple[int, int]]


def identity(data: Any) -> Any:
    return data


def with_scalar(name: str) -> Callable[..., Any] | None:
    """The operator of an array and a number that has this name."""
    found = re.fullmatch(r"_(r?)(\w+?)_scalar", name)
    if found is None or found[2] not in WITH_SCALARS:
        return None
    reverse, operation = bool(found[1]), WITH_SCALARS[found[2]]

    def call(data: Any, scalar: float) -> Any:
        return operation(scalar, data) if reverse else operation(data, scalar)

    return call


def softmax_output(data: Any, multi_output: bool = False, preserve_shape: bool = False) -> NDArray:
    """What `SoftmaxOutput` predicts; a label has no part in it."""
    if multi_output:
        return nd.softmax(data, axis=1)
    return nd.softmax(data if preserve_shape else nd.flatten(data))


OPERATORS: dict[str, Callable[..., Any]] = {
    "_copy": identity,
    "_zeros": nd.zeros,
    "_ones": nd.ones,
    "_arange": nd.arange,
}
"""Operators that `nd` has by another name."""
WITH_SCALARS: dict[str, Callable[[Any, Any], Any]] = {
    "plus": operator.add,
    "minus": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "mod": operator.mod,
    "power": operator.pow,
    "maximum": nd.maximum,
    "minimum": nd.minimum,
    "equal": nd.equal,
    "not_equal": nd.not_equal,
    "greater": nd.greater,
    "greater_equal": nd.greater_equal,
    "lesser": nd.lesser,
    "lesser_equal": nd.lesser_equal,
}
"""`_minus_scalar` is the array less a number, `_rminus_scalar` the number less the array."""
PREDICTIONS: dict[str, Callable[..., Any]] = {
    "SoftmaxOutput": softmax_output,
    "Softmax": softmax_output,
    "LinearRegressionOutput": identity,
    "MAERegressionOutput": identity,
    "LogisticRegressionOutput": nd.sigmoid,
}
"""Losses of MXNet's Module API give the prediction; their second input is the label."""


def is_symbol(text: str) -> bool:
    """Whether this is a file of MXNet rather than one of `export`."""
    return text.lstrip().startswith("{")


class MXNetNetwork(HybridBlock):
    """A network that MXNet 1.x exported, computed by the functions of `nd` that its nodes name.

    Parameters have MXNet's names, and shapes as far as the file says. Losses of the Module API
    (`SoftmaxOutput`, …) give their prediction, without a label. Several results are a list.
    """

    def __init__(self, text: str, inputs: str | Sequence[str]):
        super().__init__()
        self._graph = graph_of(text)
        self._inputs = [inputs] if isinstance(inputs, str) else list(inputs)
        self._calls = [call_of(node) for node in self._graph.nodes]
        moving = {
            place
            for node in self._graph.nodes
            if node.operator == "BatchNorm"
            for place, _ in node.inputs[MOVING]
        }
        for place in sorted(used_variables(self._graph)):
            node = self._graph.nodes[place]
            if node.name not in self._inputs:
                self._parameters[node.name] = parameter_of(node, place not in moving)
        unknown = set(self._inputs) - {node.name for node in self._graph.nodes}
        if unknown:
            raise OptionError(f"it has no input called {sorted(unknown)[0]!r}")

    def forward(self, *args: Any) -> Any:
        given = arrays_of("SymbolBlock", args)
        if len(given) != len(self._inputs):
            raise ShapeError(f"SymbolBlock: expected inputs {self._inputs}, given {len(given)}")
        named = dict(zip(self._inputs, given, strict=True))
        results: list[Any] = []
        for node, call in zip(self._graph.nodes, self._calls, strict=True):
            if node.operator == VARIABLE:
                known = self._parameters.get(node.name)
                results.append([named.get(node.name) if known is None else known.data()])
                continue
            operands = [results[place][which] for place, which in node.inputs]
            result = call(*operands)
            results.append(result if isinstance(result, list) else [result])
        outputs = [results[place][which] for place, which in self._graph.heads]
        return outputs[0] if len(outputs) == 1 else outputs


def graph_of(text: str) -> Graph:
    """The nodes and results of a file."""
    try:
        found = json.loads(text)
        nodes = [node_of(entry) for entry in found["nodes"]]
        heads = [(int(head[0]), int(head[1])) for head in found["heads"]]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise OptionError("no nodes, names, inputs and heads") from None
    for i, node in enumerate(nodes):
        if any(not 0 <= place < i for place, _ in node.inputs):
            raise OptionError(f"node '{node.name}' comes before one of its inputs")
    if not heads or any(not 0 <= place < len(nodes) for place, _ in heads):
        raise OptionError("its results are no nodes of the graph")
    return Graph(nodes, heads)


def node_of(entry: Mapping[str, Any]) -> Node:
    settings = entry.get("attrs") or entry.get("attr") or entry.get("param") or {}
    operator = str(entry["op"])
    inputs = [(int(pair[0]), int(pair[1])) for pair in entry["inputs"]]
    if operator in PREDICTIONS:
        inputs = inputs[:1]
    return Node(operator, str(entry["name"]), {k: str(v) for k, v in settings.items()}, inputs)


def used_variables(graph: Graph) -> set[int]:
    """The nodes without operator whose values are asked for."""
    read = {place for node in graph.nodes for place, _ in node.inputs}
    read |= {place for place, _ in graph.heads}
    return {place for place in read if graph.nodes[place].operator == VARIABLE}


def call_of(node: Node) -> Callable[..., Any]:
    """The function that a node names, with the node's settings."""
    if node.operator == VARIABLE:
        return identity
    function = function_named(node)
    known = signature(function).parameters
    settings: dict[str, Any] = {}
    for key, text in node.settings.items():
        if key in known:
            settings[key] = setting(text)
        elif not (
            key in WITHOUT_MEANING
            or key.startswith("__")
            or (key == "layout" and text in FIRST_CHANNELS)
            or (key, text) == ("dtype", "float32")
            or text in ("None", "False")
        ):
            raise OptionError(
                f"node '{node.name}' is {node.operator} with {key}={text}, which nnc has not"
            )

    try:
        signature(function).bind(*node.inputs, **settings)
    except TypeError as error:
        raise OptionError(f"node '{node.name}' does not fit {node.operator}: {error}") from None

    def call(*operands: Any) -> Any:
        return function(*operands, **settings)

    return call


def function_named(node: Node) -> Callable[..., Any]:
    name = node.operator.removeprefix("_contrib_")
    function = OPERATORS.get(name) or PREDICTIONS.get(name) or with_scalar(name)
    if function is None and not (name.startswith("_") or name in OF_FILES):
        function = getattr(nd if name == node.operator else nd.contrib, name, None)
    if not callable(function):
        raise OptionError(f"node '{node.name}' is {node.operator}, which nnc has not")
    return function


def setting(text: str) -> Any:
    """A number, truth value, tuple or None; else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def parameter_of(node: Node, trained: bool) -> Parameter:
    shape = setting(node.settings.get("__shape__", "None"))
    return Parameter(
        node.name,
        shape=shape if isinstance(shape, tuple) else None,
        allow_deferred_init=True,
        differentiable=trained,
    )
