"""`kernel-outline`: one `kernel.func` for each distinct group, one `kernel.launch` for each group.

Two groups are the same kernel when their bodies agree in ops, properties, types and wiring;
where they come from does not matter. A launch keeps its group's location.
"""

from dataclasses import dataclass, field
from math import prod

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import FunctionType, IntegerAttr, ModuleOp, i64
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from nnc.dialects import kernel
from nnc.dialects.buffer import element_bytes
from nnc.dialects.interfaces import Decomposes, Structured
from nnc.dialects.nn.attention import AttentionGradOp, AttentionOp
from nnc.dialects.nn.base import element_of, shape_of
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.contract import MatmulOp, PackedMatmulOp
from nnc.dialects.nn.elementwise import AddOp
from nnc.dialects.nn.reduce import BroadcastOp, ReduceOp

Key = tuple[object, ...]


@dataclass(frozen=True)
class KernelOutlinePass(ModulePass):
    """Replaces every `kernel.group` by a launch."""

    name = "kernel-outline"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        kernels = Kernels(op)
        for group in [g for g in op.walk() if isinstance(g, kernel.GroupOp)]:
            launch(kernels.of(group), group)


@dataclass
class Kernels:
    """The distinct kernels of a module."""

    module: ModuleOp
    known: dict[Key, str] = field(default_factory=dict[Key, str])
    named: dict[str, int] = field(default_factory=dict[str, int])

    def of(self, group: kernel.GroupOp) -> str:
        """The name of the kernel for a group, made from its body when it is new."""
        block = group.body.block
        key = identity(block)
        if key not in self.known:
            self.known[key] = self.fresh(name_of(block))
            self.add(self.known[key], group)
        return self.known[key]

    def fresh(self, name: str) -> str:
        count = self.named.setdefault(name, 0)
        self.named[name] += 1
        return f"{name}_{count}" if count else name

    def add(self, name: str, group: kernel.GroupOp) -> None:
        type = FunctionType.from_lists(group.inputs.types, group.outputs.types)
        body = group.detach_region(group.body)
        function = kernel.FuncOp(name, type, body)
        function.location = group.location
        function.attributes["nnc.flops"] = IntegerAttr(flops(body.block), i64)
        function.attributes["nnc.bytes"] = IntegerAttr(traffic(type), i64)
        self.module.body.block.add_op(function)


def launch(name: str, group: kernel.GroupOp) -> None:
    """Replaces a group by the launch of its kernel."""
    op = kernel.LaunchOp(name, group.inputs, results=group.outputs.types)
    op.location = group.location
    Builder(InsertPoint.before(group)).insert(op)
    for old, new in zip(group.outputs, op.outputs, strict=True):
        new.name_hint = old.name_hint
    Rewriter.replace_op(group, [], op.outputs)


def identity(block: Block) -> Key:
    """Equal for bodies that compute the same in the same way; blind to names and locations."""
    number: dict[SSAValue, int] = {arg: i for i, arg in enumerate(block.args)}
    key: list[object] = [tuple(block.arg_types)]
    for op in block.ops:
        for result in op.results:
            number[result] = len(number)
        operands = tuple(number[o] for o in op.operands)
        key.append(
            (op.name, tuple(sorted(op.properties.items())), operands, tuple(op.result_types))
        )
    return tuple(key)


PLAIN = {
    "constant",
    "broadcast",
    "reshape",
    "transpose",
    "add",
    "sub",
    "mul",
    "select",
    "compare",
    "cast",
}
"""Ops that a kernel is named after only when it has nothing better."""


def name_of(block: Block) -> str:
    """What the kernel computes, in a few words: `dense_relu`, `matmul_momentum`."""
    words = [word_of(op) for op in block.ops if not isinstance(op, kernel.ReturnOp)]
    telling = [word for word in dict.fromkeys(words) if word not in PLAIN]
    if "matmul" in telling and adds_broadcast(block):
        telling[telling.index("matmul")] = "dense"
    grads = {
        word for word in telling if word.removesuffix("_grad") in telling and word.endswith("_grad")
    }
    parts = [
        f"{word}_and_grad" if f"{word}_grad" in grads else word
        for word in telling
        if word not in grads
    ]
    if not parts:
        parts = [w for w in dict.fromkeys(words) if w not in ("constant", "broadcast")] or words
    return "_".join(parts[:3])


def word_of(op: Operation) -> str:
    """The op's name without its dialect; a reduction's is its kind."""
    match op:
        case ReduceOp():
            return op.kind_name
        case PackedMatmulOp():
            return "matmul"
        case _:
            return op.name.split(".")[1]


def adds_broadcast(block: Block) -> bool:
    """Whether a row is added to every row of the product: a dense layer."""
    return any(
        isinstance(op, AddOp)
        and any(isinstance(o.owner, MatmulOp | PackedMatmulOp) for o in op.operands)
        and any(isinstance(o.owner, BroadcastOp) for o in op.operands)
        for op in block.ops
    )


def flops(block: Block) -> int:
    """Scalar operations: two for each term of a contraction, else one per point of the domain."""
    return sum(flops_of(op) for op in block.ops)


def flops_of(op: Operation) -> int:
    match op:
        case ConstantOp() | BroadcastOp() | kernel.ReturnOp():
            return 0
        case AttentionOp() | AttentionGradOp():
            products = 2 if isinstance(op, AttentionOp) else 5
            return products * 2 * prod(op.sizes.scores) * op.sizes.depth
        case Structured():
            scale = 2 if len(op.operands) > 1 and op.reductions() else 1
            return scale * prod(op.domain().sizes)
        case Decomposes():
            return 4 * prod(shape_of(op.operands[0]))
        case _:
            return sum(prod(shape_of(r)) for r in op.results)


def traffic(type: FunctionType) -> int:
    """Bytes of everything the kernel reads and writes, once."""
    return sum(
        prod(shape_of(t)) * element_bytes(element_of(t)) for t in (*type.inputs, *type.outputs)
    )
