"""`bufferize`: tensors become memory.

Comes in: `main` on tensors, made of launches, views, constants and scans. Goes out: `main` on
buffers: its arguments, then one per output, then the arena; each launch is passed a buffer for
every result. `nnc.lowering.storage` decides which; what it cannot place is a `buffer.alloc` until
`plan-memory`. Results that replace arguments are written over them, or copied at the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import (
    FloatAttr,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    StridedLayoutAttr,
    StringAttr,
    UnitAttr,
    i8,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue, Use
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from nnc.dialects import buffer, kernel, loop
from nnc.dialects.buffer import contiguous_strides, type_of
from nnc.dialects.nn.base import Tensor, element_of, shape_of, tensor_type
from nnc.dialects.nn.cond import CondOp
from nnc.dialects.nn.constant import ConstantOp, number
from nnc.dialects.nn.scan import ScanOp
from nnc.dialects.nn.shape import ConcatOp, PadOp, ReshapeOp, SliceOp
from nnc.dialects.syntax import integers
from nnc.lowering.kernel_variants import Passing, Variants
from nnc.lowering.program import Program, identifier, place
from nnc.lowering.scan_storage import STEP, Room, room_of
from nnc.lowering.storage import Storage, Target
from nnc.lowering.views import is_view


@dataclass(frozen=True)
class BufferizePass(ModulePass):
    """Gives every tensor its memory."""

    name = "bufferize"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions = [f for f in op.body.block.ops if isinstance(f, kernel.FuncOp)]
        variants = Variants(op, {f.sym_name.data: f for f in functions})
        bufferize_program(Program.of(op), variants)
        variants.erase_originals()


def bufferize_program(program: Program, variants: Variants) -> None:
    """Rewrites `main` on memory."""
    results = program.results()
    arguments = list(program.block.args)
    outputs = [result for result in results if result.tied is None]
    block = Block(arg_types=[memory_type(a) for a in arguments])
    for old, new in zip(arguments, block.args, strict=True):
        new.name_hint = old.name_hint
    attributes = [program.attributes(i) for i in range(len(arguments))]
    for result in outputs:
        added = block.insert_arg(memory_type(result.value), len(block.args))
        added.name_hint = identifier(result.name)
        attributes.append({"nnc.name": StringAttr(result.name), "nnc.role": StringAttr("output")})
    arena = block.insert_arg(MemRefType(i8, [0]), len(block.args))
    arena.name_hint = "arena"
    attributes.append({"nnc.name": StringAttr("arena"), "nnc.arena": UnitAttr()})

    memory: dict[SSAValue, SSAValue] = dict(zip(arguments, block.args, strict=False))
    free = iter(block.args[len(arguments) :])
    targets = [
        Target(next(free)) if r.tied is None else Target(block.args[r.tied], arguments[r.tied])
        for r in results
    ]
    b = Builder(InsertPoint.at_end(block))
    Writer(b, Storage(program.block, targets, variants.donors), variants, memory).write()
    b.insert(func.ReturnOp())

    function = program.function
    function.body.detach_block(program.block).erase(safe_erase=False)
    function.body.add_block(block)
    program.set_attributes(attributes)
    program.update_type()
    for key in ("nnc.tied", "nnc.outputs"):
        function.attributes.pop(key, None)


def memory_type(value: SSAValue) -> MemRefType[Attribute]:
    """The contiguous memory of a tensor."""
    return stored(tensor_type(value))


@lru_cache(maxsize=1024)
def stored(type: Tensor) -> MemRefType[Attribute]:
    """The memory type, which is costly to make and often the same."""
    return MemRefType(type.element_type, type.get_shape())


class Writer:
    """Writes the ops of one block on memory."""

    def __init__(
        self,
        b: Builder,
        storage: Storage,
        variants: Variants,
        memory: Mapping[SSAValue, SSAValue],
    ):
        self.b = b
        self.storage = storage
        self.variants = variants
        self.memory = dict(memory)

    def write(self) -> None:
        for op in self.storage.block.ops:
            self.b.operation_insertion_handler = [partial(locate, op)]
            match op:
                case kernel.LaunchOp():
                    self.launch(op)
                case ConstantOp():
                    self.fill(op)
                case PadOp() | ConcatOp():
                    self.join(op)
                case ScanOp():
                    self.scan(op)
                case CondOp():
                    self.cond(op)
                case _ if op is self.storage.block.last_op:
                    self.copy_returned()
                case _ if is_view(op):
                    pass
                case _:
                    raise PassFailedException(
                        f"bufferize: {op.name}{place(op)} is in no kernel; run kernel-fuse and "
                        "kernel-outline first"
                    )

    def buffer(self, value: SSAValue) -> SSAValue:
        """The memory of a tensor; made when first needed."""
        if value not in self.memory:
            self.memory[value] = self.find(value)
            self.memory[value].name_hint = self.memory[value].name_hint or value.name_hint
        return self.memory[value]

    def find(self, value: SSAValue) -> SSAValue:
        storage, op = self.storage, value.owner
        if (part := storage.part(value)) is not None:
            whole = self.buffer(part.operation.results[0])
            return self.part(whole, value, part.operation, part.index)
        if isinstance(op, ReshapeOp):
            return self.reshaped(self.buffer(op.input), memory_type(value))
        if isinstance(op, SliceOp):
            return self.view(self.buffer(op.input), integers(op.starts), memory_type(value))
        if value in storage.reuse:
            return self.reshaped(self.buffer(storage.reuse[value]), memory_type(value))
        if value in storage.home:
            target = storage.targets[storage.home[value]].memory
            found = self.reshaped(target, memory_type(value))
        else:
            found = self.b.insert(buffer.AllocOp(memory_type(value))).output
        if isinstance(op, PadOp):
            self.border(op, found)
        return found

    def view(self, source: SSAValue, start: Sequence[int], type: MemRefType[Attribute]) -> SSAValue:
        map = AffineMap(0, 0, constants(start))
        return self.b.insert(buffer.ViewOp(source, [], map, type)).output

    def reshaped(self, source: SSAValue, type: MemRefType[Attribute]) -> SSAValue:
        if source.type == type:
            return source
        return self.view(source, [0] * type_of(source).get_num_dims(), type)

    def part(self, whole: SSAValue, value: SSAValue, op: Operation, operand: int) -> SSAValue:
        """Where an operand of a pad or concat lies in its result."""
        match op:
            case PadOp():
                start = integers(op.low)
            case ConcatOp():
                axis = op.axis.value.data
                before = sum(shape_of(o)[axis] for o in op.operands[:operand])
                start = [before if d == axis else 0 for d in range(len(shape_of(value)))]
            case _:
                raise AssertionError(f"{op.name} has no parts")
        strides = contiguous_strides(type_of(whole).get_shape())
        type = MemRefType(element_of(value), shape_of(value), StridedLayoutAttr(list(strides)))
        return self.view(whole, start, type)

    def border(self, op: PadOp, whole: SSAValue) -> None:
        """Sets the halo once; producers write the interior only."""
        value = number(op.number, element_of(op.output))
        self.b.insert(buffer.FillBorderOp(whole, integers(op.low), integers(op.high), value))

    def launch(self, op: kernel.LaunchOp) -> None:
        donated = dict(sorted(self.storage.donated.get(op, {}).items()))
        passing = Passing(
            [self.buffer(o) for i, o in enumerate(op.ins) if i not in donated.values()],
            [self.buffer(r) for i, r in enumerate(op.outputs) if i not in donated],
            [self.buffer(op.ins[operand]) for operand in donated.values()],
        )
        for result in donated:
            self.buffer(op.outputs[result])
        name = self.variants.of(op.callee.string_value(), passing, donated)
        self.b.insert(kernel.LaunchOp(name, passing.ins, passing.outs, passing.inouts))

    def fill(self, op: ConstantOp) -> None:
        if not all(begins_scan(use) for use in op.output.uses):
            self.b.insert(buffer.FillOp(self.buffer(op.output), splat_of(op)))

    def join(self, op: PadOp | ConcatOp) -> None:
        """Copies into the result those operands that are not written there by a kernel."""
        whole = self.buffer(op.output)
        for i, operand in enumerate(op.operands):
            use = self.storage.part(operand)
            if use is None or use.operation is not op or use.index != i:
                target = self.part(whole, operand, op, i)
                self.b.insert(buffer.CopyOp(self.buffer(operand), target))

    def scan(self, op: ScanOp) -> None:
        """A host loop; `scan_storage` says where states are kept."""
        count = op.count.data
        states, slices, captured = op.arguments
        rooms = [
            room_of(op, state, in_place, self.storage.home)
            for state, in_place in enumerate(self.written_in_place(op))
        ]
        kept = [self.begin(init, room) for init, room in zip(op.inits, rooms, strict=True)]
        for room, whole in zip(rooms, kept, strict=True):
            for value, start in room.views.items():
                first = [start] + [0] * (len(shape_of(value)) - 1)
                self.memory[value] = self.view(whole, first, memory_type(value))
        stacked = [self.buffer(value) for value in op.stacked]
        sequences = [self.buffer(value) for value in op.sequences]
        memory = dict[SSAValue, SSAValue](zip(captured, map(self.buffer, op.captured), strict=True))
        body = Block(arg_types=[loop.index])
        step = STEP * -1 + (count - 1) if op.reverse else STEP

        outer, self.b = self.b, Builder(InsertPoint.at_end(body))
        self.b.operation_insertion_handler = outer.operation_insertion_handler

        def at(source: SSAValue, first: AffineExpr, like: SSAValue) -> SSAValue:
            map = AffineMap(1, 0, (first, *constants([0] * len(shape_of(like)))))
            view = buffer.ViewOp(source, [body.args[0]], map, memory_type(like))
            return self.b.insert(view).output

        for state, room, whole in zip(states, rooms, kept, strict=True):
            memory[state] = at(whole, room.now, state)
        for value, sequence in zip(slices, sequences, strict=True):
            memory[value] = at(sequence, step, value)
        targets = [
            Target(memory[state], state) if room.size == 1 else Target(at(whole, room.next, state))
            for state, room, whole in zip(states, rooms, kept, strict=True)
        ]
        views = {value for room in rooms for value in room.views}
        for value, result, whole in zip(
            op.end.values[len(states) :], op.stacked, stacked, strict=True
        ):
            # A view of all states is written with them.
            targets.append(
                Target(whole, value) if result in views else Target(at(whole, step, value))
            )
        self.inner(body, op.body.block, targets, memory)
        self.b.insert(loop.YieldOp())
        self.b = outer
        self.b.insert(loop.ForOp(count, [], Region(body)))
        for final, room, whole in zip(op.finals, rooms, kept, strict=True):
            start = [room.last] + [0] * len(shape_of(final))
            self.memory[final] = self.view(whole, start, memory_type(final))

    def written_in_place(self, op: ScanOp) -> list[bool]:
        """For each state, whether a step writes the next one over it."""
        states, block = op.arguments[0], op.body.block
        targets = [Target(state, state) for state in states]
        targets += [Target(value) for value in op.end.values[len(states) :]]
        home = Storage(block, targets, self.variants.donors).home.values()
        pairs = enumerate(zip(states, op.end.values, strict=False))
        return [value is state or number in home for number, (state, value) in pairs]

    def begin(self, init: SSAValue, room: Room) -> SSAValue:
        """Memory for the states, the first one being `init`."""
        type = memory_type(init)
        whole = MemRefType(type.element_type, [room.size, *type.get_shape()])
        kept = self.b.insert(buffer.AllocOp(whole)).output
        kept.name_hint = init.name_hint
        first = self.view(kept, [room.first] + [0] * type.get_num_dims(), type)
        if isinstance(init.owner, ConstantOp):
            self.b.insert(buffer.FillOp(first, splat_of(init.owner)))
        else:
            self.b.insert(buffer.CopyOp(self.buffer(init), first))
        return kept

    def cond(self, op: CondOp) -> None:
        """A host branch; both bodies write the results where they belong."""
        outputs = [self.buffer(value) for value in op.outputs]
        captured = [self.buffer(value) for value in op.captured]
        choice = self.b.insert(buffer.LoadOp(self.buffer(op.predicate), [], AffineMap(0, 0, ())))
        regions: list[Region] = []
        for body in op.bodies:
            block = Block()
            memory = dict[SSAValue, SSAValue](zip(body.args, captured, strict=True))
            targets = [Target(output) for output in outputs]
            self.inner(block, body, targets, memory)
            block.add_op(scf.YieldOp())
            regions.append(Region(block))
        self.b.insert(scf.IfOp(choice, [], regions[0], regions[1]))

    def inner(
        self,
        block: Block,
        body: Block,
        targets: Sequence[Target],
        memory: Mapping[SSAValue, SSAValue],
    ) -> None:
        """Writes an op's body at the end of a block."""
        storage = Storage(body, targets, self.variants.donors)
        Writer(Builder(InsertPoint.at_end(block)), storage, self.variants, memory).write()

    def copy_returned(self) -> None:
        """Copies what could not be written where the block's results belong.

        Outputs come first, since an argument may still hold their value; a value that is in an
        argument which is replaced too is kept aside.
        """
        storage = self.storage
        pending = [
            (value, target)
            for number, (value, target) in enumerate(
                zip(storage.returned, storage.targets, strict=True)
            )
            if storage.home.get(storage.root(value)) != number and target.replaces is not value
        ]
        pending.sort(key=lambda pair: pair[1].replaces is not None)
        replaced = {target.replaces for _, target in pending}
        sources = [self.buffer(value) for value, _ in pending]
        for i, (value, target) in enumerate(pending):
            if target.replaces is not None and storage.root(value) in replaced:
                kept = self.b.insert(buffer.AllocOp(memory_type(value))).output
                self.b.insert(buffer.CopyOp(sources[i], kept))
                sources[i] = kept
        for source, (_, target) in zip(sources, pending, strict=True):
            self.b.insert(buffer.CopyOp(source, target.memory))


def splat_of(op: ConstantOp) -> FloatAttr[Any] | IntegerAttr[Any]:
    """The number that all elements of a constant are."""
    assert isinstance(op.value, FloatAttr | IntegerAttr)
    return op.value


def begins_scan(use: Use) -> bool:
    """Whether a value is read as the first state of a scan, which has room of its own."""
    return isinstance(use.operation, ScanOp) and use.index < len(use.operation.inits)


def locate(op: Operation, new: Operation) -> None:
    """Says that `new` stands for `op`."""
    new.location = op.location


def constants(values: Sequence[int]) -> tuple[AffineExpr, ...]:
    """Constant subscripts."""
    return tuple(map(AffineExpr.constant, values))
