"""Comments in generated text."""

from xdsl.dialects.builtin import FileLineColLoc, StringAttr
from xdsl.ir import Operation

from nnc.dialects import kernel


def comment(text: str) -> str:
    """A C comment of any text, on one line."""
    safe = text.replace("*/", "* /").replace("/*", "/ *")
    return f"/* {' '.join(safe.split())} */"


def note(launch: Operation, callee: kernel.FuncOp) -> str:
    """What a launch stands for: graph ops (`nnc.ops`), `train.py:41`. Empty if neither is known."""
    ops = callee.attributes.get("nnc.ops")
    place = launch.location
    facts: list[str] = []
    if isinstance(ops, StringAttr):
        facts.append(ops.data)
    if isinstance(place, FileLineColLoc):
        facts.append(f"{place.filename.data.rsplit('/', 1)[-1]}:{place.line.data}")
    return ", ".join(facts)
