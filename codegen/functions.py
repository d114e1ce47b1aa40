"""What the C function of a kernel depends on, and the base of its printers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from nnc.codegen.cells import is_cellwise
from nnc.codegen.errors import CodegenError
from nnc.codegen.expressions import EXPRESSIONS
from nnc.codegen.helpers import Helpers
from nnc.codegen.names import Names
from nnc.codegen.printer import LoopPrinter
from nnc.codegen.scope import Scope, memory_type
from nnc.codegen.writer import Writer
from nnc.dialects import arith, buffer, kernel, loop, tile
from nnc.dialects.buffer import element_bytes, root, type_of
from nnc.dialects.target import Target

ALIGNMENT = 64
"""Of scratch buffers, in bytes."""


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def scratch_bytes(value: SSAValue) -> int:
    """The scratch a buffer takes: a place to point to even where it has no elements."""
    return aligned(max(buffer_bytes(value), 1))


def buffer_bytes(value: SSAValue) -> int:
    type = type_of(value)
    size = element_bytes(type.element_type)
    for extent in type.get_shape():
        size *= extent
    return size


def kernels_of(module: ModuleOp) -> dict[str, kernel.FuncOp]:
    """All kernels of a module by symbol, in order."""
    return {op.sym_name.data: op for op in module.ops if isinstance(op, kernel.FuncOp)}


def derived_names(function: kernel.FuncOp) -> list[str]:
    """What may follow a kernel's name in names of its own: tasks and parts, by number; cells."""
    loops = sum(isinstance(op, loop.ParallelOp) for op in function.block.ops)
    numbers = range(2 * loops + 1)
    return [
        "",
        "_task",
        "_context",
        "_cell",
        *(f"_{w}{n}" for w in ("task", "part") for n in numbers),
    ]


def callees(function: kernel.FuncOp, kernels: dict[str, kernel.FuncOp]) -> list[kernel.FuncOp]:
    """The micro-kernels a kernel calls, the innermost first, each once."""
    found: dict[str, kernel.FuncOp] = {}
    for op in function.walk():
        if isinstance(op, kernel.CallOp):
            callee = called(op, kernels)
            for inner in [*callees(callee, kernels), callee]:
                found.setdefault(inner.sym_name.data, inner)
    return list(found.values())


def reached(
    kernels: dict[str, kernel.FuncOp], launches: Sequence[kernel.LaunchOp]
) -> dict[str, kernel.FuncOp]:
    """The kernels that are launched, and what they call, in the order of the module."""
    launched = dict.fromkeys(called(op, kernels) for op in launches)
    needed = {f.sym_name.data for k in launched for f in (k, *callees(k, kernels))}
    return {name: function for name, function in kernels.items() if name in needed}


def called(op: kernel.CallOp | kernel.LaunchOp, kernels: dict[str, kernel.FuncOp]) -> kernel.FuncOp:
    name = op.callee.string_value()
    if name not in kernels:
        raise CodegenError.at(op, f"there is no kernel.func @{name}")
    return kernels[name]


@dataclass(frozen=True)
class Facts:
    """What the text of a kernel depends on beyond its body."""

    written: frozenset[int]
    """Arguments that are stored to."""
    scratch: int
    """Bytes of scratch of one worker, callees included."""
    offsets: dict[Operation, int]
    """Of its own allocations within the scratch."""
    threaded: bool
    """Whether it hands work to the pool."""


@dataclass
class Program:
    """Kernels of one module, with their facts and C names."""

    kernels: dict[str, kernel.FuncOp]
    names: dict[str, str]
    target: Target
    distinct: dict[str, frozenset[int]] = field(default_factory=dict[str, frozenset[int]])
    """By kernel, the arguments whose memory no other argument of any launch overlaps."""
    _facts: dict[str, Facts] = field(default_factory=dict[str, Facts])
    _callees: dict[str, list[kernel.FuncOp]] = field(default_factory=dict[str, list[kernel.FuncOp]])

    @property
    def launched(self) -> list[kernel.FuncOp]:
        """The kernels that are not micro-kernels."""
        return [f for f in self.kernels.values() if not f.private]

    def with_callees(self, function: kernel.FuncOp) -> list[kernel.FuncOp]:
        """The micro-kernels a kernel calls, the innermost first, and the kernel."""
        name = function.sym_name.data
        if name not in self._callees:
            self._callees[name] = callees(function, self.kernels)
        return [*self._callees[name], function]

    def facts(self, function: kernel.FuncOp) -> Facts:
        name = function.sym_name.data
        if name not in self._facts:
            self._facts[name] = self._analyse(function)
        return self._facts[name]

    def _analyse(self, function: kernel.FuncOp) -> Facts:
        written: set[SSAValue] = set()
        offsets: dict[Operation, int] = {}
        own = inner = 0
        threaded = False
        for op in function.walk():
            written |= self.stored(op)
            match op:
                case buffer.AllocOp():
                    offsets[op] = own
                    own += scratch_bytes(op.output)
                case kernel.CallOp():
                    inner = max(inner, self.facts(called(op, self.kernels)).scratch)
                case loop.ParallelOp():
                    threaded |= self.target.language == "c" and self.is_threaded(op)
                case _:
                    pass
        arguments = function.block.args
        stored = frozenset(i for i, a in enumerate(arguments) if a in written)
        return Facts(stored, own + inner, offsets, threaded)

    def stored(self, op: Operation) -> set[SSAValue]:
        """The buffers that an op writes to (not the ops inside of it)."""
        match op:
            case buffer.StoreOp() | tile.StoreOp():
                return {root(op.buffer)}
            case kernel.CallOp():
                facts = self.facts(called(op, self.kernels))
                return {root(op.buffers[i]) for i in facts.written}
            case _:
                return set()

    def is_threaded(self, op: loop.ParallelOp) -> bool:
        """Whether the loop's outer dimension runs on the pool's workers."""
        return self.target.threads and op.mapped_to[:1] == ("threads",)

    def own_scratch(self, function: kernel.FuncOp) -> int:
        """Bytes of the kernel's own allocations; callees' scratch follows them."""
        return sum(scratch_bytes(op.results[0]) for op in self.facts(function).offsets)


class KernelPrinter(LoopPrinter):
    """Prints a kernel's function: its parameters, its scratch and its calls."""

    restrict = "restrict"

    def __init__(self, program: Program, function: kernel.FuncOp, out: Writer, helpers: Helpers):
        names = Names(program.names.values())
        self.name = program.names[function.sym_name.data]
        scope = Scope(out, names, helpers, program.target, self.name, function.body)
        super().__init__(scope)
        self.program, self.function = program, function
        self.facts = program.facts(function)
        for argument in function.block.args:
            hint = argument.name_hint or f"arg{argument.index}"
            scope.buffers[argument] = scope.names.fresh(hint)
        self.scratch = scope.names.fresh("scratch")
        self._users: dict[Operation, set[Operation | None]] = {}

    def parameters(self) -> list[str]:
        """Parameter declarations: buffers, then scratch where it is used."""
        declared = [self.pointer(a, self.restrict) for a in self.function.block.args]
        return [*declared, f"char *{self.scratch}"] if self.facts.scratch else declared

    def pointer(self, argument: SSAValue, restrict: str = "") -> str:
        """`const float *restrict x`; `restrict` only where it is true."""
        assert isinstance(argument, BlockArgument)
        const = "" if argument.index in self.facts.written else "const "
        distinct = self.program.distinct.get(self.function.sym_name.data, frozenset())
        star = f"*{restrict} " if restrict and argument.index in distinct else "*"
        return f"{const}{memory_type(argument.type)} {star}{self.scope.buffers[argument]}"

    def signature(self, name: str | None = None) -> str:
        return f"void {name or self.name}({', '.join(self.parameters()) or 'void'})"

    def mention_unused(self) -> None:
        """Keeps compilers from warning of parameters that nothing uses."""
        for argument in self.function.block.args:
            if not argument.uses:
                self.out.line(f"(void){self.scope.buffers[argument]};")

    # Loops that become functions of their own

    def phases(self) -> list[loop.ParallelOp]:
        """The top-level loops that are printed as functions of their own."""
        return []

    def users(self, op: Operation) -> set[Operation | None]:
        """The phases that use an op's results, also through others; None is the kernel itself."""
        if op not in self._users:
            self._users[op] = self._find_users(op)
        return self._users[op]

    def _find_users(self, op: Operation) -> set[Operation | None]:
        found: set[Operation | None] = set()
        for use in (use for result in op.results for use in result.uses):
            user = self.function.body.block.find_ancestor_op_in_block(use.operation)
            if user is not None and is_repeatable(user):
                found |= self.users(user)
            else:
                found.add(user if user in self.phases() else None)
        return found

    def shared(self, phase: loop.ParallelOp) -> list[Operation]:
        """What a phase uses of the ops before it, in order; it repeats them."""
        needed = {operand.owner for inner in phase.walk() for operand in inner.operands}
        found: list[Operation] = []
        before = phase.prev_op
        while before is not None:
            if before in needed:
                self.check_repeatable(before, phase.next_op)
                found.append(before)
                needed.update(v.owner for inner in before.walk() for v in inner.operands)
            before = before.prev_op
        return found[::-1]

    def check_repeatable(self, op: Operation, end: Operation | None) -> None:
        """Fails unless `op` gives the same wherever it is computed before `end`."""
        if not is_repeatable(op):
            raise CodegenError.at(op, "a parallel loop cannot use what is computed before it")
        read = {
            root(inner.buffer)
            for inner in op.walk()
            if isinstance(inner, buffer.LoadOp | tile.LoadOp)
        }
        after = op.next_op
        while read and after is not None and after is not end:
            if any(read & self.program.stored(inner) for inner in after.walk()):
                raise CodegenError.at(op, "what it reads is overwritten before the loop uses it")
            after = after.next_op

    # Calls

    def callee(self, op: kernel.CallOp) -> str:
        return self.program.names[op.callee.string_value()]

    def extra_arguments(self, op: kernel.CallOp) -> list[str]:
        if not self.program.facts(called(op, self.program.kernels)).scratch:
            return []
        own = self.program.own_scratch(self.function)
        return [f"{self.scratch} + {own}" if own else self.scratch]

    def qualifier(self, value: SSAValue) -> str:
        place = root(value)
        constant = isinstance(place, BlockArgument) and place.index not in self.facts.written
        return "const " if constant else ""


def is_repeatable(op: Operation) -> bool:
    """Whether several functions may each compute the op for themselves."""
    if op.name in EXPRESSIONS:
        return True
    match op:
        case loop.ForOp() | loop.WhenOp() | scf.IfOp():
            inside = (inner for inner in op.walk() if inner is not op)
            return bool(op.results) and all(
                is_repeatable(inner) or isinstance(inner, loop.YieldOp | scf.YieldOp)
                for inner in inside
            )
        case buffer.LoadOp() | buffer.AllocOp() | buffer.ViewOp() | arith.ConstantOp():
            return True
        case tile.ReduceOp() | tile.TransposeOp():
            return True
        case _:
            return bool(op.results) and is_cellwise(op)
