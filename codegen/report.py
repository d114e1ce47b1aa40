"""What a program says of itself: kernels, arena buffers, and the header comment of a kernel."""

from collections import Counter
from collections.abc import Mapping

from xdsl.dialects.builtin import IntAttr, IntegerAttr
from xdsl.ir import Attribute, SSAValue

from nnc.codegen.artifact import BufferReport, KernelReport, LaunchSite
from nnc.codegen.functions import Program, buffer_bytes
from nnc.codegen.interface import Host, numbers
from nnc.codegen.text import note
from nnc.dialects import buffer, kernel
from nnc.dialects.buffer import root, type_of


def _number(value: Attribute | None) -> int:
    match value:
        case IntegerAttr():
            return value.value.data
        case IntAttr():
            return value.data
        case _:
            return 0


def strategy(function: kernel.FuncOp) -> str:
    """`contraction {tile = [6, 64]}`; empty where none was chosen."""
    if function.strategy is None:
        return ""
    text = str(function.strategy)
    return text[text.index("<") + 1 : text.rindex(">")].removesuffix(" {}")


def described(function: kernel.FuncOp) -> str:
    """`contraction, 6x64 tiles, panels packed`: the strategy in words."""
    if function.strategy is None:
        return ""
    words = [function.strategy.algorithm.data]
    settings = function.strategy.settings.data
    if "tile" in settings:
        words.append(f"{'x'.join(map(str, function.strategy.integers('tile')))} tiles")
    if _number(settings.get("packed")):
        words.append("panels packed")
    return ", ".join(words)


def flops(function: kernel.FuncOp) -> int:
    """Floating-point operations of one launch, as `nnc.flops` says."""
    return _number(function.attributes.get("nnc.flops"))


def kernel_reports(kernels: dict[str, kernel.FuncOp], host: Host | None) -> list[KernelReport]:
    """One line for each kernel that the host program launches."""
    launches = Counter(op.callee.string_value() for op in host.launches()) if host else Counter()
    return [
        KernelReport(
            name,
            strategy(function),
            launches[name],
            flops(function),
            _number(function.attributes.get("nnc.bytes")),
        )
        for name, function in kernels.items()
        if not function.private
    ]


def launch_site(
    op: kernel.LaunchOp, program: Program, host: Host, function: str = "", part: int = 0
) -> LaunchSite:
    """What a launch runs, and what it is for."""
    given = [host.argument_of[v] for v in map(root, op.operands) if v in host.argument_of]
    name = op.callee.string_value()
    return LaunchSite(
        name,
        function or program.names[name],
        tuple(a.name for a in given if a.role == "parameter"),
        note(op),
        part,
    )


def buffer_reports(host: Host | None) -> list[BufferReport]:
    """The views of the arena, in order of their offset."""
    if host is None or host.arena is None:
        return []
    views = [use.operation for use in host.arena.uses]
    reports = [_buffer_report(op) for op in views if isinstance(op, buffer.ViewOp)]
    return sorted(reports, key=lambda report: (report.offset, report.first))


def _buffer_report(op: buffer.ViewOp) -> BufferReport:
    start = op.map.data.eval([0] * op.map.data.num_dims, [])[0]
    live = op.attributes.get("nnc.live")
    first, last = numbers(live) if live is not None else (0, 0)
    return BufferReport(
        op.output.name_hint or "buffer", start, buffer_bytes(op.output), first, last
    )


def header(function: kernel.FuncOp, name: str, names: Mapping[SSAValue, str]) -> str:
    """`dense(x[48,384], w[384,64]) -> z[48,64]: contraction, 6x64 tiles, 2.4 Mflop`."""
    by_access: dict[str, list[str]] = {"in": [], "out": [], "inout": []}
    for argument in function.block.args:
        shape = ",".join(map(str, type_of(argument).get_shape()))
        by_access[function.access(argument.index)].append(f"{names[argument]}[{shape}]")
    text = f"{name}({', '.join(by_access['in'] + by_access['inout'])})"
    results = by_access["out"] + by_access["inout"]
    if results:
        text += f" -> {', '.join(results)}"
    facts = [fact for fact in (described(function), _megaflops(flops(function))) if fact]
    return f"{text}: {', '.join(facts)}" if facts else text


def _megaflops(flops: int) -> str:
    return f"{flops / 1e6:.3g} Mflop" if flops else ""
