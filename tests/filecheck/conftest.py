"""Makes each .mlir file one pytest item; all items of a session share one run of lit.

Where several processes run the tests, the first to need it runs lit, and the others wait.
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent
REPORTS = ROOT / "Output"
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
        yield LitItem.from_parent(self, name="lit")


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
        session.stash[REPORT] = outcomes(report_of(paths))
    return session.stash[REPORT]


def report_of(paths: list[Path]) -> str:
    """What lit reports, of the run that these processes share."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    REPORTS.mkdir(exist_ok=True)
    report = REPORTS / f"{run}.json"
    with (REPORTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not report.exists():
            for old in REPORTS.glob("*.json"):
                old.unlink()
            run_lit(paths, report)
    return report.read_text()


def run_lit(paths: list[Path], report: Path) -> None:
    command = [sys.executable, "-c", RUN_LIT, "--quiet", "--output", str(report)]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, check=False)
    if not report.exists():
        raise LitError(f"lit made no report\n{done.stdout}{done.stderr}")


def outcomes(report: str) -> dict[Path, Outcome]:
    return {
        ROOT / test["name"].removeprefix("nnc :: "): Outcome(test["code"], test["output"])
        for test in json.loads(report)["tests"]
    }
