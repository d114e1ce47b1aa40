"""Draws docs/levels.svg: one small program at every level, from real output of `nnc-opt`.

    python docs/levels.py

Each panel lists how the lines it shows begin; `*` marks those that make the dense layer's result.
Long types are cut to `…`, as are the lines between.
"""

import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
WIDTH, MARGIN, LINE, INDENT = 880, 20, 17, 7.8
COLUMNS = 105


@dataclass(frozen=True)
class Panel:
    """One level: the passes that lead to it, and the lines of its text that are shown."""

    title: str
    says: str
    pipeline: str
    target: str
    lines: tuple[str, ...]


PANELS = (
    Panel(
        "1  graph",
        "tensors and values; the gradient and the update are ops too",
        "train,graph",
        "mlir",
        (
            "*%product = nn.matmul", "*%bias = nn.broadcast", "*%z = nn.add",
            "%loss, %p = nn.cross_entropy", "%0 = nn.constant", "%d_z = nn.cross_entropy_grad",
            "%d_b = nn.reduce", "%1 = nn.matmul", "%2 = optim.sgd", "%b_1 = optim.sgd",
        ),
    ),
    Panel(
        "2  groups",
        "what runs together is one kernel, with its algorithm",
        "train,graph,group{target=avx2}",
        "mlir",
        (
            "*%z = kernel.launch @dense", "%loss, %d_z = kernel.launch", "%0 = kernel.launch",
            "%b_1 = kernel.launch", "*kernel.func @dense", "*%product = nn.matmul",
            "*%bias = nn.broadcast", "*%z = nn.add", "*kernel.return",
        ),
    ),
    Panel(
        "3  storage",
        "tensors are memory: places in one arena, updates in place",
        "train-cpu{target=avx2}",
        "mlir",
        (
            "*%z = buffer.view", "*kernel.launch @dense", "kernel.launch @cross",
            "kernel.launch @matmul_sgd", "kernel.launch @sum_sgd",
        ),
    ),
    Panel(
        "4  loops",
        "loops with static bounds; a register tile is one value",
        "train-cpu{target=avx2}",
        "mlir",
        (
            "kernel.func private @dense_6x16", "%sum = tile.fill", "%1 = loop.for",
            "%2 = tile.load", "%3 = tile.load", "*%4 = tile.outer", "loop.yield %4", "}",
            "%5 = tile.load", "%6 = tile.broadcast", "*%7 = arith.addf", "*tile.store %7",
            "kernel.func @dense(", "loop.parallel (%i)", "loop.parallel (%j)",
            "*kernel.call @dense_6x16",
        ),
    ),
    Panel(
        "5  C",
        "the text that is compiled, here for AVX2",
        "train-cpu{target=avx2}",
        "c",
        (
            "int program(", "*float *z", "*dense(",
            "cross_entropy_and_grad(", "matmul_sgd(", "sum_sgd(",
            "/* dense_6x16", "vf sum_0_0", "for (long i", "vf row_value_0", "vf row_value_1",
            "vf column_value_0", "*sum_0_0 = fma_vf", "*sum_0_1 = fma_vf", "vf b_value_0",
            "*vf sum2_0_0", "*store_vf(z, sum2_0_0)",
        ),
    ),
)  # fmt: skip

BETWEEN = (
    "nn-gradient, optim-apply, nn-layout",
    "kernel-fuse, kernel-outline, kernel-select, kernel-schedule",
    "bufferize … plan-memory",
    "kernel-to-loops, loop-tile, expand-math, loop-map, loop-hoist",
    "code generation",
)
"""What leads to each panel."""

CAPTION = "docs/dense.mlir with nnc-opt: a dense layer, cross-entropy, SGD. Marked: z = x · w + b."

TRIMS = (
    (r"\{nnc\.live[^}]*\} ", ""),
    (r"^(kernel\.func .*?)\(%.*?\) (-> \(.*?\) )?", r"\1(…) "),
    (r"(outs \d )?(strategy #kernel\.strategy<contraction \{tile = [^]]*\]).*$", r"\2, …}> {"),
    (r"(launch .* -> tensor<[^>]*>), tensor.*$", r"\1, …"),
    (r" : [^()]*(?=\))", ""),
    (r" : \([^()]*\) -> ", " : … -> "),
    (r"(kernel\.call .*?\)) : .*$", r"\1 : …"),
    (r" : memref<[^>]*> -> vector", " : … -> vector"),
    (r" : vector<[^>]*>, vector<[^>]*> -> vector", " : … -> vector"),
)
"""What is cut, by regular expression."""

STYLE = """
text { font: 13px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
       fill: #24292f; white-space: pre }
.title { font-weight: bold; font-size: 15px }
.says, .cut, .type { fill: #6e7781 }
.says { font-style: italic; font-weight: normal; font-size: 13px }
.pass { fill: #8250df; font-size: 12px }
.z { fill: #cf222e; font-weight: bold }
.k { fill: #0550ae; font-weight: bold }
.page { fill: #ffffff }
.card { fill: #f6f8fa; stroke: #d0d7de }
.mark { fill: #fff3bf }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .says, .cut, .type { fill: #8b949e }
  .pass { fill: #bc8cff }
  .z { fill: #ff7b72 }
  .k { fill: #79c0ff }
  .page { fill: #0d1117 }
  .card { fill: #161b22; stroke: #30363d }
  .mark { fill: #3a3212 }
}
"""


@dataclass(frozen=True)
class Line:
    """A line as it is shown; an empty text stands for lines left out."""

    indent: int
    text: str
    marked: bool = False


@functools.cache
def output(pipeline: str, target: str) -> list[str]:
    """The whole text of a level."""
    tool = [sys.executable, "-m", "nnc.tools.nnc_opt", str(HERE / "dense.mlir")]
    command = [*tool, "-p", pipeline, "-t", target]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def shown(panel: Panel) -> Iterator[Line]:
    """The lines of a panel, in order, and where others are left out."""
    rest = iter(enumerate(line for line in output(panel.pipeline, panel.target) if line))
    last = None
    for wanted in panel.lines:
        start = wanted.removeprefix("*")
        number, text = next(((n, t) for n, t in rest if t.lstrip().startswith(start)), (-1, ""))
        if number < 0:
            raise SystemExit(f"level '{panel.title}' has no line '{start}' where the picture has")
        indent = len(text) - len(text.lstrip())
        if last is not None and number > last + 1:
            yield Line(indent, "")
        yield Line(indent, trimmed(text.lstrip()), start != wanted)
        last = number


def trimmed(text: str) -> str:
    """A line without what makes it too long."""
    for pattern, kept in TRIMS:
        text = re.sub(pattern, kept, text)
    return text if len(text) <= COLUMNS else f"{text[: COLUMNS - 1]}…"


def colored(text: str) -> str:
    """A line as SVG: the value z and the kernel dense stand out, types do not."""
    code, separator, types = text.partition(" : ")
    code = re.sub(r"(?<![\w@.])(%?z)(?![\w.])", r'<tspan class="z">\1</tspan>', escape(code))
    code = re.sub(r"(@?\bdense(_6x16)?\b)", r'<tspan class="k">\1</tspan>', code)
    return f'{code}<tspan class="type">{separator}{escape(types)}</tspan>' if separator else code


def drawing(panels: tuple[Panel, ...]) -> str:
    """The picture."""
    parts: list[str] = []
    y = 40
    for panel, passes in zip(panels, BETWEEN, strict=True):
        parts.append(f'<text class="pass" x="{MARGIN + 12}" y="{y + 13}">↓ {passes}</text>')
        body, y = card(panel, y + 21)
        parts += body
    size = f'width="{WIDTH}" height="{y + 4}" viewBox="0 0 {WIDTH} {y + 4}"'
    page = f'<rect class="page" width="{WIDTH}" height="{y + 4}" rx="6"/>'
    caption = f'<text class="says" x="{MARGIN}" y="26">{CAPTION}</text>'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" {size}>'
    return "\n".join([start, f"<style>{STYLE}</style>", page, caption, *parts, "</svg>", ""])


def card(panel: Panel, top: int) -> tuple[list[str], int]:
    """A panel from `top` on, and where it ends."""
    x = MARGIN + 12
    says = f'<tspan class="says" dx="16">{panel.says}</tspan>'
    parts = [f'<text class="title" x="{x}" y="{top + 24}">{panel.title}{says}</text>']
    lines = list(shown(panel))
    base = min(line.indent for line in lines)
    y = top + 36
    for line in lines:
        if not line.text:
            left = x + (line.indent - base) * INDENT
            parts.append(f'<text class="cut" x="{left:g}" y="{y + 7}">…</text>')
            y += LINE // 2
            continue
        if line.marked:
            box = f'x="{MARGIN + 1}" y="{y}" width="{WIDTH - 2 * MARGIN - 2}" height="{LINE}"'
            parts.append(f'<rect class="mark" {box}/>')
        left = x + (line.indent - base) * INDENT
        parts.append(f'<text x="{left:g}" y="{y + 13}">{colored(line.text)}</text>')
        y += LINE
    box = f'x="{MARGIN}" y="{top}" width="{WIDTH - 2 * MARGIN}" height="{y + 8 - top}" rx="6"'
    return [f'<rect class="card" {box}/>', *parts], y + 16


if __name__ == "__main__":
    (HERE / "levels.svg").write_text(drawing(PANELS))
