"""Kernels on memory: for each kernel on tensors, one for each way its launches pass their buffers.

Which operands are written over, and how buffers are strided, is part of a kernel's identity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from xdsl.builder import Builder
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.dialects import buffer, kernel
from nnc.lowering.strategies.donation import Donor

Key = tuple[str, tuple[Attribute, ...], tuple[tuple[int, int], ...]]


@dataclass(frozen=True)
class Passing:
    """The buffers of a launch in the order of a bufferized kernel's arguments."""

    ins: Sequence[SSAValue]
    outs: Sequence[SSAValue]
    inouts: Sequence[SSAValue]

    @property
    def all(self) -> Sequence[SSAValue]:
        return [*self.ins, *self.outs, *self.inouts]


@dataclass
class Variants:
    """The kernels of a module on memory, made when first asked for."""

    module: ModuleOp
    originals: Mapping[str, kernel.FuncOp]
    """The kernels on tensors, by name."""
    known: dict[Key, str] = field(default_factory=dict[Key, str])
    count: dict[str, int] = field(default_factory=dict[str, int])

    @cached_property
    def donors(self) -> dict[str, Donor]:
        """The kernels on tensors, to be asked what they can write in place."""
        return {name: Donor(function) for name, function in self.originals.items()}

    def of(self, name: str, passing: Passing, donated: Mapping[int, int]) -> str:
        """The kernel for `name` on these buffers, with result r written over `donated[r]`."""
        types = tuple(value.type for value in passing.all)
        key = (name, types, tuple(sorted(donated.items())))
        if key not in self.known:
            copies = self.count.get(name, 0)
            self.count[name] = copies + 1
            self.known[key] = f"{name}_variant{copies}" if copies else name
            function = self.originals[name]
            written = on_memory(function, self.known[key], passing, donated)
            self.module.body.block.insert_op_before(written, function)
        return self.known[key]

    def erase_originals(self) -> None:
        """Erases the kernels on tensors."""
        for function in self.originals.values():
            function.detach()
            function.erase()


def on_memory(
    function: kernel.FuncOp, name: str, passing: Passing, donated: Mapping[int, int]
) -> kernel.FuncOp:
    """The kernel with `buffer.to_tensor` of what it reads, `buffer.materialize` of its results."""
    types = [value.type for value in passing.all]
    block = Block(arg_types=types)
    b = Builder(InsertPoint.at_end(block))
    ins, rest = block.args[: len(passing.ins)], block.args[len(passing.ins) :]
    outs, inouts = rest[: len(passing.outs)], rest[len(passing.outs) :]
    over = {operand: argument for operand, argument in zip(donated.values(), inouts, strict=True)}
    plain = iter(ins)
    values: dict[SSAValue, SSAValue] = {}
    for operand, tensor in enumerate(function.block.args):
        source = over[operand] if operand in over else next(plain)
        source.name_hint = tensor.name_hint
        values[tensor] = b.insert(buffer.ToTensorOp(source)).output
    last = function.block.last_op
    assert isinstance(last, kernel.ReturnOp)
    for op in function.block.ops:
        if op is not last:
            copy = b.insert(op.clone(values))
            copy.location = op.location
    targets = iter(outs)
    for result, tensor in enumerate(last.values):
        target = over[donated[result]] if result in donated else next(targets)
        target.name_hint = target.name_hint or tensor.name_hint
        b.insert(buffer.MaterializeOp(values[tensor], target))
    b.insert(kernel.ReturnOp())
    written = kernel.FuncOp(
        name,
        FunctionType.from_lists(types, []),
        Region(block),
        strategy=function.strategy,
        outs=len(outs),
        inouts=len(inouts),
    )
    written.location = function.location
    written.attributes |= function.attributes
    return written
