"""What the pages say happens: every python, c and console block of them runs.

Blocks of a page run in order, in one folder and one namespace. A `c` block is written to the file
that its first line names; after `$` in a `console` block stands a command. The lines below a
command, and a `text` block below python, are found in what was printed, in this order; `…` is
anything.
"""

import importlib
import operator
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import nnc
from nnc.gluon import files

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TUTORIAL = sorted((ROOT / "docs/tutorial").glob("*.md"))
"""Pages that go on where the one before ends."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block, and the line of the page it starts at."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in FENCE.finditer(text):
        yield Block(found[1], found[2], text.count("\n", 0, found.start(2)))


def commands(console: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, and the lines below it."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, below = part.partition("\n")
        yield command, below


def check_printed(expected: str, printed: str) -> None:
    """Every expected line is there, in order."""
    rest = iter(printed.splitlines())
    for line in filter(None, map(str.strip, expected.splitlines())):
        wanted = re.compile(".*".join(map(re.escape, line.split("…"))))
        assert any(wanted.fullmatch(have.strip()) for have in rest), f"not printed: {line}"


def run(command: str) -> str:
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder beside links to the checkout's, with the environment's tools."""
    for name in ("docs", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def run_page(
    page: Path, folder: Path, names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every block, in a folder and a namespace."""
    printed = ""
    for block in blocks(page):
        match block.language:
            case "python":
                code = compile("\n" * block.line + block.text, page.name, "exec")
                exec(code, names)
                printed = capsys.readouterr().out
            case "text":
                check_printed(block.text, printed)
            case "c":
                named = re.match(r"// (\S+\.c):", block.text)
                assert named, f"{page.name}:{block.line}: the first line names no file"
                (folder / named[1]).write_text(block.text)
            case "console":
                for command, below in commands(block.text):
                    check_printed(below, run(command))
            case _:
                pass


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_run(page: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_page(page, folder, {"__name__": page.stem}, capsys)


def test_the_tutorial_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(TUTORIAL) == 8
    names: dict[str, Any] = {"__name__": "tutorial"}
    for page in TUTORIAL:
        run_page(page, folder, names, capsys)


@pytest.mark.parametrize("page", [*PAGES, *TUTORIAL], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)|src(?:set)?=\"([^\":]+)\"", page.read_text())
    for link in filter(None, (a or b for a, b in links)):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", [*PAGES, *TUTORIAL], ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    found = re.findall(r"`([\w/]+\.(?:py|md|cpp|h))`", page.read_text())
    for name in found:
        assert any(ROOT.glob(f"[!.]*/**/{name}")) or (ROOT / name).exists(), name


def test_what_is_counted() -> None:
    """The numbers of things compared with MXNet are those there are."""
    recorded = [*files.load(ROOT / "tests/mxnet/functions.params")]
    gradients = [key for key in recorded if key.startswith("gradient of ")]
    trainings = {key.split("/")[0] for key in files.load(ROOT / "tests/mxnet/programs.params")}
    functions = len(recorded) - len(gradients)
    page = " ".join((ROOT / "docs/coming_from_mxnet.md").read_text().split())
    assert f"run {len(trainings)} small trainings and {functions} calls of functions, with" in page
    assert f"with {len(gradients)} gradients, that MXNet" in page
    changes = " ".join((ROOT / "CHANGELOG.md").read_text().split())
    assert f"* **Beside MXNet**: {len(trainings)} small trainings" in changes
    assert f"{functions} calls of functions of arrays and {len(gradients)} gradients" in changes


def test_names_for_people_who_come_from_mxnet_exist() -> None:
    text = (ROOT / "docs/coming_from_mxnet.md").read_text()
    names = re.findall(r"`nnc\.([A-Za-z_.]+?)(?:\(.*?\))?`", text)
    assert len(names) > 30
    for name in names:
        value: Any = nnc
        for part in name.split("."):
            value = getattr(value, part)


def test_names_of_modules_in_mxnet() -> None:
    """Those of modules that nnc calls otherwise, and answers for those that it lacks."""
    for name, home in {
        "ndarray": nnc.nd, "initializer": nnc.init, "context": nnc.device, "contrib.amp": nnc.amp,
        "gluon.contrib.nn": nnc.gluon.nn, "gluon.contrib.rnn": nnc.gluon.rnn,
    }.items():  # fmt: skip
        assert operator.attrgetter(name)(nnc) is home
        assert name == "contrib.amp" or importlib.import_module(f"nnc.{name}") is home
    with pytest.raises(ModuleNotFoundError, match=r"'sym': write it with nnc.gluon, see docs"):
        importlib.import_module("nnc.sym")
    with pytest.raises(AttributeError, match=r"'operator': write it with nnc.autograd.Function or"):
        _ = nnc.operator
    with pytest.raises(AttributeError, match=r"'SoftmaxOutput': write it with nnc.gluon.loss.Soft"):
        _ = nnc.nd.SoftmaxOutput


def test_picture_shows_what_is_printed_now() -> None:
    names = runpy.run_path(str(ROOT / "docs/levels.py"))
    drawn = names["drawing"](names["PANELS"])
    assert (ROOT / "docs/levels.svg").read_text() == drawn, "run: python docs/levels.py"
