"""Matrix products as private kernels, for strategies that compute several on parts of buffers."""

from dataclasses import dataclass, field
from typing import Literal

from xdsl.builder import Builder
from xdsl.dialects.builtin import FunctionType, MemRefType, NoneAttr, StridedLayoutAttr
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.dialects import buffer, kernel
from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.elementwise import AddOp, mul
from nnc.dialects.nn.reduce import BroadcastOp
from nnc.dialects.target import Target
from nnc.lowering.strategies.contraction_choice import choose
from nnc.lowering.strategies.nest import ZERO, Index, Nest

Turned = Literal["lhs", "rhs"] | None
"""Which operand of a product is transposed on reading."""
MemRef = MemRefType[Attribute]


@dataclass(frozen=True)
class Matrix:
    """A part of the last two dimensions of a buffer, from an index on."""

    buffer: SSAValue
    first: Index
    shape: tuple[int, int]

    @property
    def type(self) -> MemRef:
        """The part as a kernel of its own sees it."""
        type = buffer.type_of(self.buffer)
        strides = buffer.strides_of(type)[-2:]
        packed = strides == buffer.contiguous_strides(self.shape)
        layout = NoneAttr() if packed else StridedLayoutAttr(list(strides))
        return MemRefType(type.element_type, self.shape, layout)


@dataclass(frozen=True)
class Form:
    """What distinguishes the kernels of two products."""

    name: str
    lhs: MemRef
    rhs: MemRef
    out: MemRef
    turned: Turned
    factors: MemRef | None
    added: bool


@dataclass
class Products:
    """The products that one kernel calls."""

    caller: str
    target: Target
    known: dict[Form, kernel.FuncOp] = field(default_factory=dict[Form, kernel.FuncOp])

    @property
    def functions(self) -> list[kernel.FuncOp]:
        """One private kernel for each form, which has the strategy of any other product."""
        return list(self.known.values())

    def call(
        self,
        nest: Nest,
        name: str,
        lhs: Matrix,
        rhs: Matrix,
        out: Matrix,
        *,
        turned: Turned = None,
        factors: SSAValue | None = None,
        added: bool = False,
    ) -> None:
        """`out = lhs rhs`, its rows times `factors` if any; `out += lhs rhs` where `added`."""
        rows = None if factors is None else buffer.type_of(factors)
        form = Form(name, lhs.type, rhs.type, out.type, turned, rows, added)
        if form not in self.known:
            self.known[form] = self._function(form)
        passed = [(lhs.buffer, lhs.first), (rhs.buffer, rhs.first)]
        passed += [] if factors is None else [(factors, (ZERO,))]
        passed.append((out.buffer, out.first))
        buffers, maps = [b for b, _ in passed], [nest.map(index) for _, index in passed]
        called = self.known[form].sym_name.data
        nest.builder.insert(kernel.CallOp(called, buffers, nest.indices, maps))

    def _function(self, form: Form) -> kernel.FuncOp:
        ins = [form.lhs, form.rhs, *([] if form.factors is None else [form.factors])]
        block = Block(arg_types=[*ins, form.out])
        b = Builder(InsertPoint.at_end(block))
        hints = ["lhs", "rhs", *(["factors"] * (len(ins) - 2)), "out"]
        for argument, hint in zip(block.args, hints, strict=True):
            argument.name_hint = hint
        out = block.args[-1]
        lhs, rhs, *factors = (insert(b, buffer.ToTensorOp(a)) for a in block.args[:-1])
        product = MatmulOp(
            lhs, rhs, transpose_lhs=form.turned == "lhs", transpose_rhs=form.turned == "rhs"
        )
        value = insert(b, product)
        if factors:
            value = mul(b, value, insert(b, BroadcastOp(factors[0], shape_of(value), [0])))
        if form.added:
            value = insert(b, AddOp(insert(b, buffer.ToTensorOp(out)), value))
        b.insert(buffer.MaterializeOp(value, out))
        b.insert(kernel.ReturnOp())
        choice = choose(product, self.target)
        return kernel.FuncOp(
            self._fresh(form.name),
            FunctionType.from_lists(block.arg_types, []),
            Region(block),
            private=True,
            strategy=kernel.StrategyAttr.of("sweeps") if choice is None else choice.strategy(),
            outs=0 if form.added else 1,
            inouts=1 if form.added else 0,
        )

    def _fresh(self, name: str) -> str:
        count = sum(form.name == name for form in self.known)
        return f"{self.caller}_{name}_{count}" if count else f"{self.caller}_{name}"
