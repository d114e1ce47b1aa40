"""The loop printer: `loop`, `buffer`, `tile`, `arith`, `math` and `scf.if` to lines of C.

A memref value is a C pointer to its element [0, …, 0]; subscripts become one folded offset by the
strides of its type (with halos they may be negative; the offset of a strided layout is the
business of the view that made it). Index values are folded sums, not variables. Vectors are
native vectors in named locals, laid out as `tiles.py` says.
"""

from collections.abc import Iterable, Sequence

from xdsl.dialects import scf
from xdsl.dialects.builtin import FloatAttr, IndexType, IntegerAttr
from xdsl.ir import Block, Operation, SSAValue

from nnc.codegen import lanes
from nnc.codegen.carries import carried_name, coalesced
from nnc.codegen.cells import form, hint_for, is_cellwise
from nnc.codegen.elements import kind, literal
from nnc.codegen.errors import CodegenError
from nnc.codegen.expressions import EXPRESSIONS, extended_product
from nnc.codegen.form import Atom
from nnc.codegen.linear import Linear, condition, implied
from nnc.codegen.runs import Run
from nnc.codegen.scope import Cells, Scope, memory_type
from nnc.dialects import arith, buffer, kernel, loop, tile


class LoopPrinter:
    """Prints the body of one C function."""

    def __init__(self, scope: Scope):
        self.scope = scope
        self.out = scope.out

    def block(self, block: Block) -> None:
        """All ops of a block."""
        self.sequence(block.ops)

    def sequence(self, ops: Iterable[Operation]) -> None:
        run = Run(self.scope)
        for op in ops:
            if is_cellwise(op):
                run.add(op)
            elif _is_scalar(op) or (isinstance(op, buffer.LoadOp) and not run.writes(op.buffer)):
                self.op(op)
            else:
                run.flush()
                self.op(op)
        run.flush()

    def op(self, op: Operation) -> None:
        """One op that is not cell-wise."""
        match op:
            case loop.YieldOp() | kernel.ReturnOp() | scf.YieldOp():
                pass
            case loop.ForOp():
                self.loop_for(op)
            case loop.ParallelOp():
                self.parallel(op)
            case loop.WhenOp():
                self.when(op)
            case scf.IfOp():
                self.scf_if(op)
            case buffer.LoadOp():
                offset = self.scope.offset(op.buffer, op.map.data, op.indices)
                hint = f"{self.scope.buffers[op.buffer]}_value"
                self.scalar(op.output, self.scope.item(op.buffer, offset), hint)
            case buffer.StoreOp():
                offset = self.scope.offset(op.buffer, op.map.data, op.indices)
                value = self.scope.cell(op.value)
                self.out.line(f"{self.scope.item(op.buffer, offset)} = {value};")
            case buffer.ViewOp():
                self.view(op)
            case buffer.AllocOp():
                self.alloc(op)
            case kernel.CallOp():
                self.call(op)
            case tile.ReduceOp():
                lanes.reduce(self.scope, op)
            case tile.TransposeOp():
                lanes.transpose(self.scope, op)
            case loop.BarrierOp():
                self.barrier(op)
            case _:
                self.scalar_op(op)

    # Scalars

    def scalar_op(self, op: Operation) -> None:
        match op:
            case arith.ConstantOp(value=IntegerAttr() | FloatAttr() as value):
                self.constant(op.result, value.value.data)
            case arith.AddiOp() | arith.SubiOp() | arith.MuliOp() if _is_index(op.result):
                self.index_arithmetic(op)
            case arith.MulUIExtendedOp() | arith.MulSIExtendedOp():
                halves = extended_product(op, form(self.scope, op))
                for result, text in zip(op.results, halves, strict=True):
                    self.scalar(result, text, hint_for(op))
            case _ if op.name in EXPRESSIONS:
                self.scalar(op.results[0], EXPRESSIONS[op.name](form(self.scope, op)), hint_for(op))
            case _:
                raise CodegenError.at(op, "this op has no C; it must be lowered before")

    def scalar(self, value: SSAValue, expression: str, hint: str) -> None:
        if _is_index(value):
            name = self.scope.base(value, hint)
            self.out.line(f"long {name} = {expression};")
            self.scope.indices[value] = Linear.variable(name)
        else:
            self.scope.define(value, 0, 0, expression, hint)

    def constant(self, value: SSAValue, number: float) -> None:
        if _is_index(value):
            self.scope.indices[value] = Linear(int(number))
        else:
            self.scope.bind(value, 0, 0, Atom(literal(number, kind(value.type)), literal=True))

    def index_arithmetic(self, op: arith.AddiOp | arith.SubiOp | arith.MuliOp) -> None:
        left, right = self.scope.indices[op.lhs], self.scope.indices[op.rhs]
        match op:
            case arith.AddiOp():
                self.scope.indices[op.result] = left + right
            case arith.SubiOp():
                self.scope.indices[op.result] = left + right * -1
            case _ if not left.terms or not right.terms:
                factor, other = (left, right) if not left.terms else (right, left)
                self.scope.indices[op.result] = other * factor.constant
            case _:
                self.scalar(op.result, f"{left.atom} * {right.atom}", "product")

    # Loops and guards

    def loop_for(self, op: loop.ForOp) -> None:
        """A counted loop, which the compiler unrolls where it holds vectors."""
        self.declare_carried(op)
        name = self.scope.names.fresh(op.induction_variable.name_hint or "i")
        if op.unroll is not None and self.scope.helpers.lanes > 1:
            self.out.line(self.scope.helpers.unrolled(op.unroll.data))
        with self.out.block(f"for (long {name} = 0; {name} < {op.count.data}; {name}++)"):
            self.iteration(op, Linear.variable(name))

    def declare_carried(self, op: loop.ForOp) -> None:
        """Variables for the carried values, or those of an outer loop that carries them."""
        scope = self.scope
        coalesce = coalesced(op)
        for init, argument, output, last in zip(
            op.inits, op.body.block.args[1:], op.outputs, _terminator(op.body.block).operands,
            strict=True,
        ):  # fmt: skip
            if _is_index(output):
                raise CodegenError.at(op, "loops do not carry index values")
            if output in scope.assigned and init in scope.cells:
                variables = scope.assigned[output]
                self.assign(init, variables)
            else:
                name = argument.name_hint or carried_name(last)
                variables = self.declare(output, name, init)
            scope.cells[argument] = scope.cells[output] = variables
            if last in coalesce:
                scope.assigned[last] = variables

    def declare(self, value: SSAValue, hint: str, init: SSAValue) -> Cells:
        """Variables for a value's cells, set to the cells of `init`."""
        variables = self.scope.variables(value, hint)
        for row, atoms in enumerate(variables):
            declared = [f"{a.text} = {self.initial(init, row, i)}" for i, a in enumerate(atoms)]
            self.out.line(f"{self.scope.c_type(value)} {', '.join(declared)};")
        return variables

    def initial(self, init: SSAValue, row: int, part: int) -> str:
        atom = self.scope.atom(init, row, part)
        if self.scope.is_native(init) and atom.text in ("0", "0.0f"):
            return "{0}"
        return self.scope.cell(init, row, part)

    def iteration(self, op: loop.ForOp, variable: Linear) -> None:
        self.scope.indices[op.induction_variable] = variable
        self.block(op.body.block)
        yields = _terminator(op.body.block).operands
        self.assign_all(yields, [self.scope.cells[output] for output in op.outputs])

    def assign_all(self, values: Sequence[SSAValue], targets: Sequence[Cells]) -> None:
        """Assigns all values at once: what another assignment overwrites is kept before."""
        scope = self.scope
        pairs = [
            (value, scope.cell(value, row, part), target[row][part].text)
            for value, target in zip(values, targets, strict=True)
            for row, part in scope.grid(value).cells()
        ]
        pairs = [(value, text, name) for value, text, name in pairs if text != name]
        overwritten = {name for _, _, name in pairs}
        for i, (value, text, name) in enumerate(pairs):
            if text in overwritten:
                kept = scope.names.fresh(f"{text}_kept")
                self.out.line(f"{scope.c_type(value)} {kept} = {text};")
                pairs[i] = (value, kept, name)
        for _, text, name in pairs:
            self.out.line(f"{name} = {text};")

    def assign(self, value: SSAValue, target: Cells) -> None:
        self.assign_all([value], [target])

    def parallel(self, op: loop.ParallelOp) -> None:
        """Nested loops; targets with threads or blocks override this."""
        names = [self.scope.names.fresh(a.name_hint or "i") for a in op.body.block.args]
        self.nest(op, names, op.sizes)

    def nest(self, op: loop.ParallelOp, names: Sequence[str], sizes: Sequence[int]) -> None:
        if names:
            name, size = names[0], sizes[0]
            with self.out.block(f"for (long {name} = 0; {name} < {size}; {name}++)"):
                self.scope.indices[op.body.block.args[-len(names)]] = Linear.variable(name)
                self.nest(op, names[1:], sizes[1:])
        else:
            self.block(op.body.block)

    def when(self, op: loop.WhenOp) -> None:
        """An affine guard; its results are variables."""
        for output, otherwise in zip(op.outputs, op.otherwise, strict=True):
            self.scope.cells[output] = self.declare(output, "guarded", otherwise)
        scope, values = self.scope, self.scope.linear(op.indices)
        facts = scope.facts
        scope.facts = [*facts, *implied(op.condition.data, values)]
        guard = condition(op.condition.data, values, facts)
        self.branch(f"if ({guard})", op.body.block, op.outputs)
        scope.facts = facts

    def scf_if(self, op: scf.IfOp) -> None:
        for output in op.results:
            variables = self.scope.variables(output, "chosen")
            for atoms in variables:
                declared = ", ".join(atom.text for atom in atoms)
                self.out.line(f"{self.scope.c_type(output)} {declared};")
            self.scope.cells[output] = variables
        self.branch(f"if ({self.scope.cell(op.cond)})", op.true_region.block, op.results)
        if op.false_region.blocks:
            self.branch("else", op.false_region.block, op.results)

    def branch(self, head: str, body: Block, outputs: Sequence[SSAValue]) -> None:
        with self.out.block(head):
            self.block(body)
            targets = [self.scope.cells[output] for output in outputs]
            self.assign_all(_terminator(body).operands, targets)

    # Memory and calls

    def view(self, op: buffer.ViewOp) -> None:
        scope = self.scope
        place = scope.place(op.source, scope.offset(op.source, op.map.data, op.indices))
        element, pointee = memory_type(op.output.type), self.pointee(op.source)
        if (place, element) == (scope.buffers[op.source], pointee):
            scope.buffers[op.output] = place
            return
        name = scope.names.fresh(op.output.name_hint or "part")
        if pointee != element:
            place = f"({element} *)({place})" if " " in place else f"({element} *){place}"
        self.out.line(f"{self.qualifier(op.output)}{element} *{name} = {place};")
        scope.buffers[op.output] = name

    def pointee(self, value: SSAValue) -> str:
        """What the pointer to a buffer is declared to point to."""
        return memory_type(value.type)

    def qualifier(self, value: SSAValue) -> str:
        """`const ` where the memory behind a pointer must not be written."""
        return ""

    def alloc(self, op: buffer.AllocOp) -> None:
        raise CodegenError.at(op, "there is no scratch here")

    def barrier(self, op: loop.BarrierOp) -> None:
        raise CodegenError.at(op, f"target {self.scope.target.name} has no barriers")

    def call(self, op: kernel.CallOp) -> None:
        """A call of a micro-kernel on places in buffers."""
        arguments = [
            self.scope.place(b, self.scope.offset(b, m.data, op.indices))
            for b, m in zip(op.buffers, op.maps, strict=True)
        ]
        arguments += self.extra_arguments(op)
        self.out.line(f"{self.callee(op)}({', '.join(arguments)});")

    def callee(self, op: kernel.CallOp) -> str:
        return op.callee.string_value()

    def extra_arguments(self, op: kernel.CallOp) -> list[str]:
        return []


def _terminator(block: Block) -> Operation:
    assert block.last_op is not None
    return block.last_op


def _is_index(value: SSAValue) -> bool:
    return isinstance(value.type, IndexType)


def _is_scalar(op: Operation) -> bool:
    """Whether the op may be printed before vector ops that precede it."""
    return op.name in EXPRESSIONS or isinstance(
        op, arith.ConstantOp | arith.MulUIExtendedOp | arith.MulSIExtendedOp
    )
