"""Comments in generated text."""

from xdsl.dialects.builtin import FileLineColLoc
from xdsl.ir import Operation


def comment(text: str) -> str:
    """A C comment of any text, on one line."""
    safe = text.replace("*/", "* /").replace("/*", "/ *")
    return f"/* {' '.join(safe.split())} */"


def note(launch: Operation) -> str:
    """The user's line that a launch comes from, `train.py:41`. Empty if it is not known."""
    place = launch.location
    if not isinstance(place, FileLineColLoc):
        return ""
    return f"{place.filename.data.rsplit('/', 1)[-1]}:{place.line.data}"
