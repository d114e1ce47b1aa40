"""Files that are written whole or not at all, and read."""

import difflib
import errno
import fcntl
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nnc.errors import OptionError

Chunk = bytes | memoryview
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)
Filename = str | os.PathLike[str]


def read_whole(what: str, filename: Filename) -> bytes:
    """The bytes of a file. `what` is the call that wants it: an error names it, and files there."""
    path = Path(filename)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{what}: there is no file {path}; {beside(path)}") from None
    except IsADirectoryError:
        raise IsADirectoryError(
            f"{what}: {path} is a folder, expected a file; {beside(path / path.name)}"
        ) from None


def beside(path: Path) -> str:
    """Files in the folder of a missing one: with a name like it, or else of its kind."""
    folder = path.parent
    if not folder.is_dir():
        return f"nor a folder {folder}"
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    alike = [name for name in names if Path(name).suffix == path.suffix]
    near = difflib.get_close_matches(path.name, names, n=3) or alike[:3]
    if not near:
        return f"nor one like it among the {len(names)} files there"
    return f"did you mean {' or '.join(str(folder / name) for name in near)}?"


def write_whole(filename: Filename, chunks: Iterable[Chunk]) -> None:
    """Write a file; it takes the place of one of that name when all is on the disk.

    Until then it is called `.NAME.partial`. What a killed process left there is written over.
    """
    target = checked_target(filename)
    with alone(target.with_name(f".{target.name}.partial")) as file:
        try:
            if target.exists():
                os.fchmod(file.fileno(), target.stat().st_mode & 0o777)
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, target)
        except BaseException as error:
            Path(file.name).unlink(missing_ok=True)
            with suppress(OSError):  # What is left in Python's buffer finds no place either.
                file.close()
            if not isinstance(error, OSError):
                raise
            raise OSError(
                error.errno,
                f"{target} could not be written: {error.strerror}; what was there is unchanged",
            ) from None
    sync_folder(target.parent)


def checked_target(filename: Filename) -> Path:
    """The file to write, links followed, if it can be one."""
    target = Path(os.path.realpath(filename))
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder, expected the name of a file")
    if target.exists() and not target.is_file():
        raise OptionError(f"{target} is a device, expected the name of a file")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent}, to write {target.name} in")
    return target


@contextmanager
def alone(path: Path) -> Generator[BinaryIO]:
    """An empty file that only one process or thread writes; others wait for it."""
    while True:
        with path.open("ab") as file:
            with where_supported():
                fcntl.flock(file, fcntl.LOCK_EX)
            if is_at(file, path):
                file.truncate(0)
                yield file
                return


@contextmanager
def where_supported() -> Generator[None]:
    """File systems of networks may lack what is done inside, and do without."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the file still has its name: who held it before has renamed or removed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with where_supported():
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
