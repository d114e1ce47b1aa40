"""What a program is recorded as: values, the nodes that make them, and their structure.

A value is in memory, or will be made by a node. Nodes point to their inputs only, so what nobody
holds any more is never computed. A `Structure` is the part of the graph that a program computes,
without the data: two steps with equal structures run one program.
"""

import functools
import inspect
import itertools
import math
import operator
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple, cast

from numpy.typing import NDArray as NumpyArray
from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, Block, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import VerifyException

from nnc import checks
from nnc.device import common_place, current_context
from nnc.dialects.nn.base import tensor_of
from nnc.dtypes import element_type, numpy_name
from nnc.errors import IndexingError, OptionError, ShapeError, StaleValueError
from nnc.runtime.device import HOST, DeviceArray, Place, Storage

Memory = NumpyArray[Any]
Attributes = tuple[Any, ...]
Emit = Callable[..., Any]
"""Inserts ops and returns a value or a list of them."""


class Type:
    """Shape, dtype and device of an array; equal types are one object, so that they hash fast.

    Numbers, and what is made of numbers only, have no device: they go wherever they are used.
    """

    __slots__ = ("device", "dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: str, device: Place | None):
        self.shape = shape
        self.dtype = dtype
        self.device = device

    def __repr__(self) -> str:
        where = "" if self.device in (HOST, None) else f" on {self.device}"
        return f"{self.dtype}{list(self.shape)}{where}"

    def fits(self, other: "Type") -> bool:
        """Whether arrays of these types have the same shape and dtype."""
        return self.shape == other.shape and self.dtype == other.dtype

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies of a type are the type itself."""
        return type_of, (self.shape, self.dtype, self.device)

    def tensor(self) -> TensorType[Attribute]:
        return tensor_of(element_type(self.dtype), self.shape)


MOST_ELEMENTS = 2**31 - 1
"""What positions in a program, which may be 32-bit integers, can count."""


@functools.cache
def _one_type(shape: tuple[int, ...], dtype: str, device: Place | None) -> Type:
    if math.prod(shape) > MOST_ELEMENTS:
        raise ShapeError(
            f"an array of shape {shape} has {math.prod(shape)} elements, more than "
            f"{MOST_ELEMENTS}; compute it in parts"
        )
    return Type(shape, dtype, device)


def type_of(shape: tuple[int, ...], dtype: str, device: Place | None = HOST) -> Type:
    """The one `Type` of a shape, a dtype and a device."""
    return _one_type(shape, dtype, device)


def tensor_to_type(attribute: Attribute, device: Place | None = HOST) -> Type:
    tensor = cast(TensorType[Attribute], attribute)
    return type_of(tuple(tensor.get_shape()), numpy_name(tensor.element_type), device)


class Value:
    """One version of an array: in `memory`, or result `index` of `node`, or both while on a tape.

    A value with neither was overwritten. `variable` is the variable whose memory it lies in,
    `slot` the place for its gradient if it is a leaf. What is `replaceable` stands for other memory
    in later calls, so that its views are part of the program.
    """

    __slots__ = ("index", "memory", "node", "replaceable", "slot", "type", "variable")

    def __init__(
        self, type: Type, memory: Storage | None = None, node: "Node | None" = None, index: int = 0
    ):
        self.type = type
        self.memory = memory
        self.node = node
        self.index = index
        self.variable: Any = None
        self.slot: Any = None
        self.replaceable = False


def placed(value: Value, place: Place | None) -> Value:
    """A value made of numbers only, on a device, by default that of the innermost `with`."""
    value.type = type_of(value.type.shape, value.type.dtype, place or current_context())
    return value


class Scalar(Value):
    """A number the program is given at each call. `source` has it now, `number` had it then."""

    __slots__ = ("name", "number", "source")

    def __init__(
        self,
        number: float,
        dtype: str,
        source: Callable[[], float] | None = None,
        name: str = "number",
    ):
        super().__init__(type_of((), dtype, None))
        self.name = name
        self.number = number
        self.source = source


class Operation:
    """What users call an operation: a name, and how it is written in the `nn` dialect.

    `emit(builder, *operands, *attributes)` inserts ops and returns their values. It is the only
    description: shapes are inferred by emitting once for each new signature.
    """

    __slots__ = ("chooses", "differentiates", "emit", "moves", "name", "signatures")

    def __init__(
        self,
        emit: Emit,
        name: str | None = None,
        differentiates: bool = False,
        moves: bool = False,
        chooses: "Chooses | None" = None,
    ):
        self.emit = emit
        self.moves = moves
        """Whether the result holds the elements of its operand, up to their dtype."""
        self.chooses = chooses
        """What operand 1 is if it holds positions along an axis, the first attribute, of 0.

        An operation on positions alone has the size of the axis as its first attribute.
        """
        self.name = name or emit.__name__.strip("_")
        self.differentiates = differentiates
        """Whether it needs the ops that led to its operands, not only their values."""
        self.signatures: dict[Attributes, tuple[Type, ...]] = {}

    def __repr__(self) -> str:
        """Another one for each operation, and the same in every process."""
        return f"{self.emit.__module__}.{self.emit.__qualname__}:{self.name}"

    def infer(self, types: Sequence[Type], attributes: Attributes) -> tuple[Type, ...]:
        """The types of the results; an error is the user's."""
        device = common_place(self.name, [t.device for t in types])
        block = Block(arg_types=[t.tensor() for t in types])
        try:
            results = self.emit(Builder(InsertPoint.at_end(block)), *block.args, *attributes)
        except VerifyException as error:
            given = ", ".join(map(repr, types))
            raise ShapeError(f"{self.name}({given}): {error}") from None
        values = [results] if isinstance(results, SSAValue) else results
        return tuple(tensor_to_type(v.type, device) for v in values)


class Chooses(NamedTuple):
    """What an operation's indices are called, and the error when one is out of range."""

    what: str
    error: type[IndexingError] = IndexingError

    def choice(self, inputs: Sequence[Value], attributes: Attributes) -> tuple[Value, int]:
        """The indices, and how many positions there are."""
        *chosen_from, indices = inputs[:2]
        size = attributes[0]
        return indices, chosen_from[0].type.shape[size] if chosen_from else size

    def check(self, memory: Storage, size: int) -> None:
        if not isinstance(memory, DeviceArray):  # Looking would wait for the device.
            checks.indices(self.what, memory, size, self.error)


def origin(value: Value, among: "Container[Node] | None" = None) -> Value:
    """The value whose elements another one holds, maybe moved or of another dtype.

    Only what moved it `among` some nodes is followed, if these are given.
    """
    while (node := value.node) is not None and node.operation.moves:
        if among is not None and node not in among:
            break
        value = node.inputs[0]
    return value


def operation(emit: Emit) -> Operation:
    """Make an operation of the function that emits it."""
    return Operation(emit)


def moving(emit: Emit) -> Operation:
    """Make an operation that changes no element."""
    return Operation(emit, moves=True)


def choosing(what: str, error: type[IndexingError] = IndexingError) -> Callable[[Emit], Operation]:
    """Make an operation whose operand 1 holds indices."""
    return lambda emit: Operation(emit, chooses=Chooses(what, error))


class Check(NamedTuple):
    """What indices have to be, and the line that says so."""

    chooses: Chooses
    size: int
    site: "Site | None"

    def look_at(self, memory: Storage) -> None:
        """Raises unless all indices given exist."""
        self.chooses.check(memory, self.size)

    def raise_unless_inside(self, extremes: Memory) -> None:
        """Raises unless the extremes of the indices exist, which names the user's line."""
        if extremes[0] > extremes[1]:  # There were none: the body that uses them did not run.
            return
        where = "" if self.site is None else " at {}:{}".format(*line_of(self.site))
        what, error = self.chooses.what, self.chooses.error
        if (extremes != extremes).any():
            raise error(f"{what} are whole numbers; not all of those computed{where} are")
        checks.indices(what, extremes, self.size, error, "computed", where)


class Choice(NamedTuple):
    """Labels or indices, from the smallest of `lows` to the largest of `highs`.

    Both are the indices themselves, or the extremes of those that a body uses when it runs.
    """

    lows: Value
    highs: Value
    check: Check


class Node:
    """One application of an operation."""

    __slots__ = (
        "attributes", "freed", "inputs", "inside", "label", "leads", "operation", "serial", "site",
        "taped", "types", "used",
    )  # fmt: skip

    serials = itertools.count()

    def __init__(
        self,
        operation: Operation,
        inputs: tuple[Value, ...],
        attributes: Attributes,
        types: tuple[Type, ...],
        taped: bool,
        site: "Site | None",
    ):
        self.operation = operation
        self.inputs = inputs
        self.attributes = attributes
        self.types = types
        self.taped = taped
        self.freed = False
        self.used = False
        """Whether a tape that leads here has been freed."""
        self.leads = taped and any(v.slot or (v.node and v.node.leads) for v in inputs)
        """Whether a leaf leads here, so that a gradient may go through."""
        self.serial = next(Node.serials)
        self.site = site
        self.label: str | None = None
        """What a person calls its results, if not the name of the operation."""
        self.inside: tuple[tuple[Value | int, Check], ...] = ()
        """The indices that its bodies use: values from around them, or the first of two results,
        their extremes."""

    def choices(self) -> Iterator[Choice]:
        """The labels and indices that it uses, and what they have to be."""
        chooses = self.operation.chooses
        if chooses is not None:
            indices, size = chooses.choice(self.inputs, self.attributes)
            yield Choice(indices, indices, Check(chooses, size, self.site))
        for found, check in self.inside:
            if isinstance(found, int):
                low, high = (Value(self.types[i], None, self, i) for i in (found, found + 1))
                yield Choice(low, high, check)
            else:
                yield Choice(found, found, check)

    def look_at_given(self) -> None:
        """Raises unless the labels and indices that are in memory exist."""
        for indices, _, check in self.choices():
            memory = origin(indices).memory
            if memory is not None:
                check.look_at(memory)


def next_serial() -> int:
    """A number between those of the nodes before and after."""
    return next(Node.serials)


Site = tuple[CodeType, int]
"""A place in a program: code and offset of the instruction. The line is looked up when needed."""

_HERE = str(Path(__file__).parents[1])
_ours: dict[CodeType, bool] = {}


def user_site() -> Site | None:
    """The innermost place outside this package."""
    frame = inspect.currentframe()
    while frame is not None:
        code = frame.f_code
        ours = _ours.get(code)
        if ours is None:
            ours = _ours[code] = code.co_filename.startswith(_HERE)
        if not ours:
            return code, frame.f_lasti
        frame = frame.f_back
    return None


def line_of(site: Site) -> tuple[str, int]:
    """File and line of a site."""
    code, offset = site
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return code.co_filename, line
    return code.co_filename, code.co_firstlineno


def make_node(
    operation: Operation,
    inputs: tuple[Value, ...],
    attributes: Attributes,
    taped: bool,
    types: tuple[Type, ...] | None = None,
    site: Site | None = None,
) -> Node:
    """A node whose result types are given, or inferred once for each signature."""
    if types is None:
        key = (attributes, *[v.type for v in inputs])
        try:
            types = operation.signatures.get(key)
        except TypeError:
            hashable = tuple(tuple(a) if isinstance(a, list) else a for a in attributes)
            if hashable != attributes:
                return make_node(operation, inputs, hashable, taped, types, site)
            raise OptionError(
                f"{operation.name}: expected numbers, names or tuples, given {attributes}"
            ) from None
        if types is None:
            types = operation.infer([v.type for v in inputs], attributes)
            operation.signatures[key] = types
    return Node(operation, inputs, attributes, types, taped, site or user_site())


SERIAL = operator.attrgetter("serial")


class LeafSpec(NamedTuple):
    """What a program must know of an argument."""

    role: str
    type: Type
    layout: tuple[int, ...] | None


class NodeSpec(NamedTuple):
    """One node. Its inputs are numbers: results of nodes count from 0, leaves are `~index`."""

    operation: Operation
    attributes: Attributes
    inputs: tuple[int, ...]
    taped: bool


class Structure(NamedTuple):
    """A program without its data: hashable, and enough to build its IR."""

    leaves: tuple[LeafSpec, ...]
    nodes: tuple[NodeSpec, ...]
    results: tuple[tuple[int, int], ...]
    """Number of the value, and of the leaf whose memory it replaces or -1."""
    device: Place = HOST


class Graph(NamedTuple):
    """A structure and the values and nodes it was made of."""

    structure: Structure
    leaves: list[Value]
    nodes: list[Node]
    choices: Sequence[Choice] = ()
    """Its labels and indices."""
    checks: tuple[Check, ...] = ()
    """Indices whose extremes are the last results."""


def collect(roots: Iterable[Value], through: bool = False) -> list[Node]:
    """The nodes that make `roots`, in the order they were recorded.

    A gradient needs the way from its leaves: on it, values on a tape are computed again even if
    they are in memory. No gradient goes through what is not on a tape. With `through`, the way to
    `roots` is such a way.
    """
    seen: dict[Node, bool] = {}
    pending = [(value.node, through) for value in roots if value.node is not None]
    while pending:
        node, on_the_way = pending.pop()
        on_the_way = (on_the_way and node.taped) or node.operation.differentiates
        if node in seen and seen[node] >= on_the_way:
            continue
        seen[node] = on_the_way
        for value in node.inputs:
            if value.node is not None and (on_the_way or value.memory is None):
                pending.append((value.node, on_the_way))
    return sorted(seen, key=SERIAL)


def graph_of(roots: Sequence[tuple[Value, Value | None]], through: bool = False) -> Graph:
    """The graph that computes `roots`: values, each with the leaf whose memory it replaces.

    `through` is for `collect`.
    """
    values = [value for value, _ in roots]
    nodes = collect(values, through)
    through = through or any(node.operation.differentiates for node in nodes)
    first: dict[Node, int] = {}
    count = 0
    for node in nodes:
        first[node] = count
        count += len(node.types)
    leaves: list[Value] = []
    numbers: dict[Value, int] = {}

    def number(value: Value) -> int:
        """The number of a value that is met for the first time."""
        if value.node in first and (through or value.memory is None):
            found = first[value.node] + value.index
        else:
            found = ~len(leaves)
            leaves.append(value)
        numbers[value] = found
        return found

    known = numbers.get
    specs: list[NodeSpec] = []
    for n in nodes:
        inputs = [number(v) if (i := known(v)) is None else i for v in n.inputs]
        specs.append(NodeSpec(n.operation, n.attributes, tuple(inputs), n.taped))
    results: list[tuple[int, int]] = []
    for value, base in roots:
        i, tied = known(value), None if base is None else known(base)
        found = number(value) if i is None else i
        if base is not None and tied is None:
            tied = number(base)
        results.append((found, -1 if tied is None else ~tied))
    described = tuple([leaf_spec(leaf) for leaf in leaves])
    device = common_place("results of one program", [v.type.device for v in values]) or HOST
    return Graph(Structure(described, tuple(specs), tuple(results), device), leaves, nodes)


def leaf_spec(value: Value) -> LeafSpec:
    """The description of a leaf; an overwritten value is an error."""
    if isinstance(value, Scalar):
        return LeafSpec("scalar", value.type, None)
    if value.memory is None:
        raise StaleValueError(
            "a value recorded before was changed in place since (by trainer.step, set_data or an "
            "assignment), so what depends on it cannot be computed; call backward() before that"
        )
    if value.variable is not None:
        return LeafSpec(value.variable.role, value.type, value.variable.layout)
    return LeafSpec("input", value.type, None)
