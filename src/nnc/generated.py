"""Generated programs on disk: what was generated before is read, not generated again.

An entry is named by the text of the frontend's program with the lines it comes from, whatever
else the text depends on, and the state of the compiler's own files.
"""

import functools
import importlib.metadata
import io
import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp
from xdsl.printer import Printer

from nnc.codegen.artifact import Artifact
from nnc.runtime.cache import digest, shared_cache


def generated(
    module: ModuleOp, settings: Sequence[object], make: Callable[[], list[Artifact]]
) -> list[Artifact]:
    """The artifacts of a module, as `make` makes them with these settings."""
    cache = shared_cache()
    name = digest(text_with_places(module), *map(repr, settings), fingerprint()) + ".program"
    kept = cache.read(name)
    if kept is not None:
        return pickle.loads(kept)
    artifacts = make()
    cache.write(name, pickle.dumps(artifacts))
    return artifacts


def text_with_places(module: ModuleOp) -> str:
    """The module's text; lines of the user's program end in comments of the generated one."""
    stream = io.StringIO()
    Printer(stream, print_debuginfo=True).print_op(module)
    return stream.getvalue()


@functools.cache
def fingerprint() -> str:
    """Another one for another compiler: its files, Python and xDSL."""
    root = Path(__file__).parent
    # The compiler's folders may be links, which rglob does not follow.
    sources = sorted({p for f in (root, *root.iterdir()) for p in f.rglob("*.py")})
    states = ((path.stat(), path) for path in sources)
    listed = (f"{path}:{state.st_mtime_ns}:{state.st_size}" for state, path in states)
    return digest(sys.version, importlib.metadata.version("xdsl"), *listed)
