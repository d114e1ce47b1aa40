"""Strings in MLIR text, before xDSL reads it.

Its lexer tries exponentially many ways to read a string that does not end.
"""

import re

_FINISHED = re.compile(r'//[^\n]*|"(?:[^"\\\n\v\f]|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*"')
"""Comments, and strings as xDSL knows them."""


def unfinished_string(text: str) -> int | None:
    """The line of the first string without an end, if there is one."""
    rest = _FINISHED.sub(lambda found: "", text)
    return None if '"' not in rest else rest[: rest.index('"')].count("\n") + 1
