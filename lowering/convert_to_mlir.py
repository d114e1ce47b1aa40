"""`convert-to-mlir`: level 4 in MLIR's own dialects, for a real `mlir-opt` to check.

Kernels become functions, `loop` becomes `scf`, `buffer` becomes `memref`, `tile` becomes `vector`.
Every buffer has the type `memref<…, strided<[…], offset: ?>>`: a view, a part that is passed on and
a tile in memory are all the same buffer reinterpreted from another offset. Print the result with
`--print-op-generic`; attributes of nnc are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import (
    FloatAttr,
    FunctionType,
    IndexType,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    StringAttr,
    i1,
    i8,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineConstraintExpr, AffineConstraintKind, AffineMap
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    PatternRewriteWalker,
    TypeConversionPattern,
    attr_type_rewrite_pattern,
)
from xdsl.rewriter import InsertPoint
from xdsl.traits import SymbolTable

from nnc.dialects import arith, buffer, kernel, loop
from nnc.dialects.scalars import ui8
from nnc.dialects.syntax import integers
from nnc.lowering.mlir_memory import Memory, index_constant, index_value, passed
from nnc.lowering.mlir_tiles import TILES

Number = FloatAttr | IntegerAttr

PREDICATES = {
    AffineConstraintKind.eq: "eq",
    AffineConstraintKind.ge: "sge",
    AffineConstraintKind.le: "sle",
}


class _Signless(TypeConversionPattern):
    """Bytes are i8: what extends them says that they have no sign."""

    @attr_type_rewrite_pattern
    def convert_type(self, typ: IntegerType) -> IntegerType | None:
        return i8 if typ == ui8 else None


@dataclass(frozen=True)
class ConvertToMlirPass(ModulePass):
    """Replaces the ops of nnc by those of MLIR."""

    name = "convert-to-mlir"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(_Signless(recursive=True)).rewrite_module(op)
        functions = [_function(f) for f in op.ops if isinstance(f, kernel.FuncOp | func.FuncOp)]
        for old in list(op.ops):
            old.detach()
            old.erase(safe_erase=False)
        op.body.block.add_ops(functions)
        op.attributes.clear()


def _function(function: kernel.FuncOp | func.FuncOp) -> func.FuncOp:
    block = function.body.block
    new = Block(arg_types=[passed(argument) for argument in block.args])
    writer = _Writer(Builder(InsertPoint.at_end(new)), dict(zip(block.args, new.args, strict=True)))
    writer.block(block)
    visibility = StringAttr("private") if function.sym_visibility is not None else None
    type = FunctionType.from_lists(list(new.arg_types), [])
    return func.FuncOp(function.sym_name.data, type, Region(new), visibility)


class _Writer:
    """Writes ops of MLIR, given what stands for each value so far."""

    def __init__(self, builder: Builder, values: dict[SSAValue, SSAValue]):
        self.builder = builder
        self.values = values
        self.memory = Memory(builder, values)

    def inside(self, block: Block) -> "_Writer":
        """A writer of an inner block, which sees the outer values."""
        return _Writer(Builder(InsertPoint.at_end(block)), dict(self.values))

    def block(self, block: Block) -> None:
        for op in block.ops:
            self.op(op)

    def op(self, op: Operation) -> None:
        written = _OPS.get(type(op))
        if written is not None:
            written(self, op)
        elif type(op) in TILES:
            TILES[type(op)](self.memory, op)
        else:
            self._same(op)

    def of(self, values: Sequence[SSAValue]) -> list[SSAValue]:
        return [self.values[value] for value in values]

    def define(self, op: Operation, new: Operation) -> None:
        self.builder.insert(new)
        self.values.update(zip(op.results, new.results, strict=True))

    def _same(self, op: Operation) -> None:
        """An op that MLIR has too."""
        self.builder.insert(op.clone(self.values))

    def for_loop(self, op: loop.ForOp) -> None:
        body = Block(arg_types=[IndexType(), *op.inits.types])
        self._body(op.body.block, body, scf.YieldOp)
        zero, count, one = (index_constant(self.builder, n) for n in (0, op.count.data, 1))
        self.define(op, scf.ForOp(zero, count, one, self.of(op.inits), Region(body)))

    def parallel(self, op: loop.ParallelOp) -> None:
        body = Block(arg_types=[IndexType()] * len(op.sizes))
        self._body(op.body.block, body, scf.ReduceOp)
        zeros, ones = ([index_constant(self.builder, n)] * len(op.sizes) for n in (0, 1))
        sizes = [index_constant(self.builder, size) for size in op.sizes]
        self.define(op, scf.ParallelOp(zeros, sizes, ones, Region(body)))

    def when(self, op: loop.WhenOp) -> None:
        body, otherwise = Block(), Block()
        self._body(op.body.block, body, scf.YieldOp)
        otherwise.add_op(scf.YieldOp(*self.of(op.otherwise)))
        indices = self.of(op.indices)
        condition: SSAValue = self.builder.insert(arith.ConstantOp(IntegerAttr(1, i1))).result
        for constraint in op.condition.data.constraints:
            holds = self._holds(constraint, indices)
            condition = self.builder.insert(arith.AndIOp(condition, holds)).result
        types = list(op.outputs.types)
        self.define(op, scf.IfOp(condition, types, Region(body), Region(otherwise)))

    def branch(self, op: scf.IfOp) -> None:
        """A branch of the host program, around its launches."""
        then, otherwise = Block(), Block()
        self._body(op.true_region.block, then, scf.YieldOp)
        self._body(op.false_region.block, otherwise, scf.YieldOp)
        types = list(op.result_types)
        new = scf.IfOp(self.values[op.cond], types, Region(then), Region(otherwise))
        self.define(op, new)

    def _holds(self, constraint: AffineConstraintExpr, indices: Sequence[SSAValue]) -> SSAValue:
        left = index_value(self.builder, constraint.lhs, indices)
        right = index_value(self.builder, constraint.rhs, indices)
        compare = arith.CmpiOp(left, right, PREDICATES[constraint.kind])
        return self.builder.insert(compare).result

    def _body(self, old: Block, new: Block, terminator: Callable[..., Operation]) -> None:
        """Fills `new` with the ops of a loop's body."""
        writer = self.inside(new)
        writer.values.update(zip(old.args, new.args, strict=True))
        *ops, last = old.ops
        for op in ops:
            writer.op(op)
        new.add_op(terminator(*writer.of(last.operands)))

    def view(self, op: buffer.ViewOp) -> None:
        self.values[op.output] = self.memory.part(
            op.source, op.map.data, op.indices, buffer.type_of(op.output)
        )

    def fill(self, op: buffer.FillOp) -> None:
        sizes = buffer.type_of(op.target).get_shape()
        self._fill(op.target, (0,) * len(sizes), sizes, op.value)

    def fill_border(self, op: buffer.FillBorderOp) -> None:
        """A slab below and one above the interior in each dimension; corners are in several."""
        shape = buffer.type_of(op.target).get_shape()
        for d, (low, high) in enumerate(zip(integers(op.low), integers(op.high), strict=True)):
            for start, size in ((0, low), (shape[d] - high, high)):
                starts = tuple(start if e == d else 0 for e in range(len(shape)))
                sizes = tuple(size if e == d else n for e, n in enumerate(shape))
                self._fill(op.target, starts, sizes, op.value)

    def _fill(
        self, target: SSAValue, starts: Sequence[int], sizes: Sequence[int], value: Number
    ) -> None:
        """Stores a constant at every element of a box."""
        body = Block(arg_types=[IndexType()] * len(sizes))
        inner = Builder(InsertPoint.at_end(body))
        constant = inner.insert(arith.ConstantOp(value)).result
        map = AffineMap.identity(len(sizes))
        shifted = AffineMap(
            len(sizes), 0, tuple(e + s for e, s in zip(map.results, starts, strict=True))
        )
        inner.insert(buffer.StoreOp(constant, target, body.args, shifted))
        inner.insert(loop.YieldOp())
        self.op(loop.ParallelOp(sizes, Region(body)))

    def launch(self, op: kernel.LaunchOp) -> None:
        types = _argument_types(op, op.callee.string_value())
        zeros = [AffineMap(0, 0, ()) for _ in op.operands]
        self._call(op.callee.string_value(), op.operands, zeros, (), types)

    def call(self, op: kernel.CallOp) -> None:
        types = _argument_types(op, op.callee.string_value())
        maps = [map.data for map in op.maps]
        self._call(op.callee.string_value(), op.buffers, maps, op.indices, types)

    def _call(
        self,
        callee: str,
        buffers: Sequence[SSAValue],
        maps: Sequence[AffineMap],
        indices: Sequence[SSAValue],
        types: Sequence[Attribute],
    ) -> None:
        """Passes each buffer as the callee sees it, from its subscript on."""
        passed = [
            self.memory.part(source, map, indices, type)
            for source, map, type in zip(buffers, maps, types, strict=True)
        ]
        self.builder.insert(func.CallOp(callee, passed, []))

    def end(self, op: kernel.ReturnOp) -> None:
        self.builder.insert(func.ReturnOp())

    def nothing(self, op: Operation) -> None:
        """A barrier of a GPU's block has no place on a CPU."""


def _argument_types(op: Operation, name: str) -> Sequence[Attribute]:
    callee = SymbolTable.lookup_symbol(op, name)
    assert isinstance(callee, kernel.FuncOp)
    return tuple(callee.block.arg_types)


_OPS: dict[type[Operation], Callable[..., None]] = {
    loop.ForOp: _Writer.for_loop,
    scf.IfOp: _Writer.branch,
    loop.ParallelOp: _Writer.parallel,
    loop.WhenOp: _Writer.when,
    loop.BarrierOp: _Writer.nothing,
    buffer.ViewOp: _Writer.view,
    buffer.FillOp: _Writer.fill,
    buffer.FillBorderOp: _Writer.fill_border,
    kernel.LaunchOp: _Writer.launch,
    kernel.CallOp: _Writer.call,
    kernel.ReturnOp: _Writer.end,
}
