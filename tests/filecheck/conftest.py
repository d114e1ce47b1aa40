"""Makes each .mlir file one pytest item; all items of a session share one run of lit.

Where several processes run the tests, one of them gets all these items.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent
RUN_LIT = "import lit.main; lit.main.main()"
PASSED = {"PASS", "FLAKYPASS", "XFAIL"}


class LitError(Exception):
    """A test that lit reports as failed; the text is lit's output."""


@dataclass(frozen=True)
class Outcome:
    """What lit says of one file."""

    code: str
    output: str


REPORT = pytest.StashKey[dict[Path, Outcome]]()


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    return LitFile.from_parent(parent, path=file_path) if file_path.suffix == ".mlir" else None


class LitFile(pytest.File):
    """One .mlir file, holding one item."""

    def collect(self) -> Iterator["LitItem"]:
        item: LitItem = LitItem.from_parent(self, name="lit")
        item.add_marker(pytest.mark.xdist_group("lit"))
        yield item


class LitItem(pytest.Item):
    """The RUN lines of one .mlir file."""

    def runtest(self) -> None:
        outcome = shared_report(self.session)[self.path]
        if outcome.code == "UNSUPPORTED":
            pytest.skip(outcome.output.strip().splitlines()[-1])
        if outcome.code not in PASSED:
            raise LitError(f"{outcome.code}\n{outcome.output}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if isinstance(excinfo.value, LitError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, str(self.path.relative_to(ROOT))


def shared_report(session: pytest.Session) -> dict[Path, Outcome]:
    """The outcome of every selected .mlir file, from one lit run made when first asked for."""
    if REPORT not in session.stash:
        paths = sorted({item.path for item in session.items if isinstance(item, LitItem)})
        session.stash[REPORT] = run_lit(paths)
    return session.stash[REPORT]


def run_lit(paths: list[Path]) -> dict[Path, Outcome]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-c", RUN_LIT, "--quiet", "--output", str(report)]
        done = subprocess.run(
            [*command, *map(str, paths)], capture_output=True, text=True, check=False
        )
        if not report.exists():
            raise LitError(f"lit made no report\n{done.stdout}{done.stderr}")
        tests = json.loads(report.read_text())["tests"]
    return {
        ROOT / test["name"].removeprefix("nnc :: "): Outcome(test["code"], test["output"])
        for test in tests
    }
