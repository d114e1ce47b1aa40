"""Programs that were generated before are read from the cache."""

import gc
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import settings
from nnc.compilation import compiler, generated
from nnc.compilation.modules import names_of
from nnc.recording.graph import Operation, graph_of

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture(autouse=True)
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets for which text was generated, in a cache of the test's own."""
    monkeypatch.setenv("NNC_CACHE", str(tmp_path))
    calls: list[str] = []
    lower = compiler.lower_prepared

    def counted(module: Any, level: str, target: Any, *rest: Any) -> Any:
        calls.append(target.name)
        return lower(module, level, target, *rest)

    monkeypatch.setattr(compiler, "lower_prepared", counted)
    return calls


def double(x: Any) -> Any:
    return x + x


def double_again(x: Any) -> Any:
    return x + x


def treble(x: Any) -> Any:
    return x * x


def compiled(target: str = "c99", function: Callable[..., Any] = double) -> Any:
    """The function's program, as another process would make it."""
    graph = graph_of([(function(nnc.nd.array(np.zeros(3, np.float32))).current, None)])
    chosen = settings.current._replace(target=target, backend="compile")
    return compiler.compile_structure(graph.structure, names_of(graph), chosen)


def result(program: Any) -> list[float]:
    return program.program()(np.array([1, 2, 3], np.float32)).tolist()


def test_the_second_process_generates_nothing(made: list[str]) -> None:
    first = compiled()
    assert made == ["c99"]
    second = compiled()
    assert made == ["c99"]
    assert second.artifact == first.artifact
    assert second.artifact is not first.artifact
    assert result(second) == [2, 4, 6]


def test_what_the_text_depends_on_is_in_the_name(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled()
    compiled("sse2")
    assert made == ["c99", "sse2"]
    compiled(function=treble)
    compiled(function=double_again)  # Of another line, which a comment names.
    assert made == ["c99", "sse2", "c99", "c99"]
    monkeypatch.setattr(generated, "fingerprint", lambda: "another compiler")
    compiled()
    assert made == ["c99", "sse2", "c99", "c99", "c99"]


def test_a_broken_entry_is_made_again(made: list[str], tmp_path: Path) -> None:
    compiled()
    (entry,) = tmp_path.glob("*.program")
    entry.write_bytes(entry.read_bytes()[:-3])
    assert result(compiled()) == [2, 4, 6]
    assert made == ["c99", "c99"]


def test_every_file_of_the_compiler_counts() -> None:
    before = generated.fingerprint()
    source = Path(nnc.__file__).parent / "lowering/nn_layout.py"
    state = source.stat()
    generated.fingerprint.cache_clear()
    try:
        os.utime(source, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
        assert generated.fingerprint() != before
    finally:
        os.utime(source, ns=(state.st_atime_ns, state.st_mtime_ns))
        generated.fingerprint.cache_clear()
    assert generated.fingerprint() == before


def test_operations_that_emit_something_else_are_told_apart() -> None:
    operations = [found for found in gc.get_objects() if type(found) is Operation]
    assert len(operations) > 100
    emitted = {(repr(operation), operation.emit) for operation in operations}
    shared = Counter(text for text, _ in emitted)
    assert [text for text, count in shared.items() if count > 1] == []


def test_a_name_has_no_address() -> None:
    """What is kept of a body of control flow is the same in every process."""
    zeros = nnc.nd.zeros((3, 2))
    outputs, _ = nnc.nd.contrib.foreach(lambda x, s: (x * s[0], [s[0] + 1]), zeros, [zeros[0]])
    graph = graph_of([(outputs.current, None)])
    names = names_of(graph)
    assert "scan" in repr(graph.structure)
    assert Path(__file__).name in repr(names)
    assert " at 0x" not in repr((graph.structure, names))
