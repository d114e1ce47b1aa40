"""CUDA: kernels as text for NVRTC, and the host program as launches.

The host program is data (`Artifact.launches`), its loops unrolled, and for readers also text with
`<<<…>>>` that nvcc would take.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.dialects import func, scf
from xdsl.ir import Block, SSAValue

from nnc.codegen.artifact import Launch, LaunchSite, Operand, Unit
from nnc.codegen.device import DevicePrinter
from nnc.codegen.errors import CodegenError
from nnc.codegen.functions import Program, aligned, called
from nnc.codegen.helpers import Helpers
from nnc.codegen.interface import Host
from nnc.codegen.linear import Linear
from nnc.codegen.names import Names
from nnc.codegen.places import place_of
from nnc.codegen.report import header, launch_site
from nnc.codegen.text import comment
from nnc.codegen.transfers import BLOCK, Box, Transfer, boxes_of
from nnc.codegen.writer import Writer
from nnc.dialects import buffer, kernel, loop

PROLOGUE = """\
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#endif
"""


@dataclass(frozen=True)
class Step:
    """A launch, and what it is for."""

    launch: Launch
    site: LaunchSite


@dataclass
class CudaProgram:
    """The CUDA of a module."""

    program: Program
    host: Host | None
    entry: str
    _boxes: dict[Box, str] = field(default_factory=dict[Box, str])
    _printers: dict[str, DevicePrinter] = field(default_factory=dict[str, DevicePrinter])

    def __post_init__(self):
        self.helpers = Helpers(1, "static __device__ inline")
        self.out = Writer()
        self.names = Names(self.program.names.values())
        self.steps = self._run(self.host.function.body.block, {}) if self.host else []

    @property
    def scratch_bytes(self) -> int:
        return max((self.printer(f).scratch_bytes for f in self.program.launched), default=0)

    def printer(self, function: kernel.FuncOp) -> DevicePrinter:
        name = function.sym_name.data
        if name not in self._printers:
            self._printers[name] = DevicePrinter(self.program, function, self.out, self.helpers)
        return self._printers[name]

    @property
    def launches(self) -> tuple[Launch, ...]:
        return tuple(step.launch for step in self.steps)

    @property
    def sites(self) -> tuple[LaunchSite, ...]:
        return tuple(step.site for step in self.steps)

    def units(self) -> tuple[Unit, ...]:
        """All kernels in one unit, which NVRTC takes as it is."""
        done: set[str] = set()
        for function in self.program.launched:
            for needed in self.program.with_callees(function):
                name = needed.sym_name.data
                if name not in done:
                    done.add(name)
                    printer = self.printer(needed)
                    about = header(needed, self.program.names[name], printer.scope.buffers)
                    self.out.mark()
                    self.out.line(comment(about))
                    printer.print()
        for box, name in self._boxes.items():
            box.print(name, self.out)
            self.out.line()
        body = self.out.text
        texts = "\n".join(self.helpers.used.values())
        prologue = PROLOGUE if "INFINITY" in body + texts or "NAN" in body + texts else ""
        text = "\n".join(t for t in (prologue, texts, body) if t)
        return (Unit(f"{self.entry}_0", text),)

    # The host program

    def _run(self, block: Block, indices: Mapping[SSAValue, Linear]) -> list[Step]:
        """The launches of a host block, given what its index values are."""
        steps: list[Step] = []
        for op in block.ops:
            match op:
                case loop.ForOp():
                    for i in range(op.count.data):
                        inner = {**indices, op.induction_variable: Linear(i)}
                        steps += self._run(op.body.block, inner)
                case kernel.LaunchOp():
                    steps += self._launch(op, indices)
                case buffer.CopyOp() | buffer.FillOp() | buffer.FillBorderOp():
                    steps += self._transfer(op, indices)
                case buffer.ViewOp() | loop.YieldOp() | func.ReturnOp():
                    pass
                case buffer.AllocOp():
                    raise CodegenError.at(op, "the arena is not planned; run plan-memory first")
                case scf.IfOp() | buffer.LoadOp():
                    raise CodegenError.at(
                        op, "launches on a GPU cannot branch; run nn-flatten{target=cuda} first"
                    )
                case _:
                    raise CodegenError.at(op, "the CUDA host program has no such op")
        return steps

    def _launch(self, op: kernel.LaunchOp, indices: Mapping[SSAValue, Linear]) -> list[Step]:
        callee = called(op, self.program.kernels)
        printer = self.printer(callee)
        operands = [self._operand(v, indices) for v in (*op.ins, *op.outs, *op.inouts)]
        host = self.host
        assert host is not None
        if printer.scratch_bytes:
            operands.append(Operand(None, aligned(host.arena_bytes)))
        return [
            Step(
                _launch(phase.name, phase.grid, phase.block, operands),
                launch_site(op, self.program, host, phase.name, part),
            )
            for part, phase in enumerate(printer.parts)
        ]

    def _transfer(self, op: Transfer, indices: Mapping[SSAValue, Linear]) -> list[Step]:
        values = [op.target, op.source] if isinstance(op, buffer.CopyOp) else [op.target]
        operands = [self._operand(v, indices) for v in values]
        steps: list[Step] = []
        for box in boxes_of(op):
            if box.points:
                if box not in self._boxes:
                    self._boxes[box] = self.names.fresh("fill" if box.value else "copy")
                name = self._boxes[box]
                launch = _launch(name, box.grid, BLOCK, operands)
                steps.append(Step(launch, LaunchSite("", name, (), "")))
        return steps

    def _operand(self, value: SSAValue, indices: Mapping[SSAValue, Linear]) -> Operand:
        assert self.host is not None
        place = place_of(value, indices)
        if place.root is self.host.arena:
            return Operand(None, place.offset.constant)
        return Operand(self.host.values.index(place.root), place.offset.constant)

    # For readers

    def host_text(self) -> str:
        """The host program as text, one line for each launch."""
        if self.host is None:
            return ""
        out = Writer()
        out.line("#ifndef __CUDACC_RTC__")
        head = f"void {self.entry}(char *const *arguments, char *arena, cudaStream_t stream)"
        with out.function(head):
            for step in self.steps:
                if step.site.about:
                    out.line(comment(step.site.about))
                out.line(self._launch_line(step.launch))
        out.line("#endif")
        return out.text

    def _launch_line(self, launch: Launch) -> str:
        types = self._parameter_types(launch.kernel)
        pointers = [
            f"({type}){_pointer(operand)}"
            for type, operand in zip(types, launch.operands, strict=True)
        ]
        shape = f"{launch.grid[0]}, {launch.block[0]}, {launch.shared_bytes}, stream"
        return f"{launch.kernel}<<<{shape}>>>({', '.join(pointers)});"

    def _parameter_types(self, name: str) -> Sequence[str]:
        for box, box_name in self._boxes.items():
            if box_name == name:
                return [f"{box.element} *"] * len(box.strides)
        for printer in self._printers.values():
            if any(phase.name == name for phase in printer.parts):
                return [_type_of(p) for p in printer.parameters()]
        raise KeyError(name)


def _launch(name: str, grid: int, block: int, operands: Sequence[Operand]) -> Launch:
    return Launch(name, (grid, 1, 1), (block, 1, 1), 0, tuple(operands))


def _pointer(operand: Operand) -> str:
    base = "arena" if operand.argument is None else f"arguments[{operand.argument}]"
    return f"({base} + {operand.offset})" if operand.offset else base


def _type_of(parameter: str) -> str:
    """`const float *` of `const float *__restrict__ x`."""
    return parameter[: parameter.rindex("*") + 1]
