"""Lines of source text with indentation, wrapped at spaces."""

from collections.abc import Generator
from contextlib import contextmanager

WIDTH = 116
STEP = "    "


class Writer:
    """Collects lines; `block` opens a brace and closes it."""

    def __init__(self, depth: int = 0):
        self._lines: list[str] = []
        self._depth = depth
        self._mark = 0

    def mark(self) -> None:
        """What is inserted from now on stands here."""
        self._mark = len(self._lines)

    def insert(self, other: "Writer") -> None:
        """The lines of another writer, at the mark."""
        self._lines[self._mark : self._mark] = other._lines
        self._mark += len(other._lines)

    def append(self, other: "Writer") -> None:
        """The lines of another writer, as they are."""
        self._lines += other._lines

    def line(self, text: str = "") -> None:
        indent = STEP * self._depth
        text = f"{indent}{text}".rstrip()
        while len(text) > WIDTH:
            start = len(indent) + 2 * len(STEP)
            # Between arguments if there are any, else between words.
            cut = max(text.rfind(", ", start, WIDTH) + 1, 0) or text.rfind(" ", start, WIDTH)
            if cut < 0:
                break
            self._lines.append(text[:cut])
            text = f"{indent}{STEP * 2}{text[cut + 1 :]}"
        self._lines.append(text)

    @contextmanager
    def block(self, head: str, end: str = "}") -> Generator[None]:
        """`head {` … `}`; an empty head is a bare block."""
        self.line(f"{head} {{" if head else "{")
        self._depth += 1
        yield
        self._depth -= 1
        self.line(end)

    @contextmanager
    def function(self, signature: str) -> Generator[None]:
        """A function: its braces stand on lines of their own, as do lines of the signature."""
        for line in signature.splitlines():
            self.line(line)
        with self.block(""):
            yield

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)
