"""Generated programs on disk: what was generated before is read, not generated again.

An entry is named by all that the text depends on: what was recorded, with its names and the lines
it comes from, how it is compiled, and the state of the compiler's own files.
"""

import functools
import importlib.metadata
import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nnc.codegen.artifact import Artifact
from nnc.runtime.cache import digest, shared_cache


def generated(given: Sequence[object], make: Callable[[], list[Artifact]]) -> list[Artifact]:
    """What `make` makes; it depends on nothing but what is given, as `repr` shows it."""
    cache = shared_cache()
    name = digest(*map(repr, given), fingerprint()) + ".program"
    kept = cache.read(name)
    if kept is not None:
        return pickle.loads(kept)
    artifacts = make()
    cache.write(name, pickle.dumps(artifacts))
    return artifacts


@functools.cache
def fingerprint() -> str:
    """Another one for another compiler: its files, Python and xDSL."""
    root = Path(__file__).parents[1]
    # The compiler's folders may be links, which rglob does not follow.
    sources = sorted({p for f in (root, *root.iterdir()) for p in f.rglob("*.py")})
    states = ((path.stat(), path) for path in sources)
    listed = (f"{path}:{state.st_mtime_ns}:{state.st_size}" for state, path in states)
    return digest(sys.version, importlib.metadata.version("xdsl"), *listed)
