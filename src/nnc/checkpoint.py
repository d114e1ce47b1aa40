"""A whole training in one file, from which it goes on bit for bit.

    runs = nnc.checkpoint.Checkpoints("run", net, trainer, loader, keep=3)
    progress = runs.resume() or {"epoch": 0}
    for epoch in range(progress["epoch"], epochs):
        for data, label in loader:
            …
        runs.save(epoch=epoch + 1)

The file has parameters, what the trainer and its optimizer keep, the position of the loader, the
state of `nnc.random`, and what is called progress: numbers, texts, arrays, lists and dicts of your
own. It appears when it is complete: whenever a process ends, what is there can be read.

Save between a step and the next `backward`: gradients are not in the file. Random numbers that do
not come from nnc are yours to keep.
"""

import math
import numbers
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from nnc.checks import chosen, count, is_number
from nnc.errors import NncError, OptionError
from nnc.gluon.atomic import Filename
from nnc.gluon.block import Block
from nnc.gluon.parameter_files import check_names, filling
from nnc.gluon.state_files import State, load_state, peek_state, save_state
from nnc.gluon.trainer import Trainer
from nnc.random import generator


class Resumable(Protocol):
    """What has a position to go on from, such as `gluon.data.DataLoader`."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state_dict: State) -> None: ...


def save(
    filename: Filename,
    net: Block | None = None,
    trainer: Trainer | None = None,
    loader: Resumable | None = None,
    **progress: Any,
) -> None:
    """Write a training to one file; a file of that name stays until this one is complete."""
    check_parts(net, trainer)
    parameters = {} if net is None else net.collect_params()
    state = {
        "parameters": {name: p.data() for name, p in parameters.items()},
        "trainer": None if trainer is None else trainer.state_dict(),
        "loader": None if loader is None else resumable(loader).state_dict(),
        "random": generator.state_dict(),
        "progress": progress,
    }
    save_state(filename, "training", state)


def load(
    filename: Filename,
    net: Block | None = None,
    trainer: Trainer | None = None,
    loader: Resumable | None = None,
) -> dict[str, Any]:
    """Put a training where a file says it was, and return its progress.

    What is not given stays as it is, but for `nnc.random`. If something does not fit, nothing
    changes.
    """
    check_parts(net, trainer)
    state = load_state(filename, "training", "checkpoint.load")
    try:
        for apply in list(changes(state, net, trainer, loader)):
            apply()
    except NncError as error:
        raise type(error)(f"{filename}: {error}") from None
    return state["progress"]


def changes(
    state: State, net: Block | None, trainer: Trainer | None, loader: Resumable | None
) -> Iterator[Callable[[], None]]:
    """What is to be done, each after its check; the loader checks by itself, and comes first."""
    given = {"trainer": trainer, "loader": loader}
    for name in (name for name, part in given.items() if part is not None and state[name] is None):
        raise OptionError(f"it was saved without a {name}")
    if loader is not None:
        yield lambda: resumable(loader).load_state_dict(state["loader"])
    if net is not None:
        parameters = net.collect_params()
        check_names("the file", state["parameters"], parameters, False, False)
        yield filling(state["parameters"], parameters)
    if trainer is not None:
        trainer.check_state(state["trainer"])
        yield lambda: trainer.take_state(state["trainer"])
    yield lambda: generator.load_state_dict(state["random"])


def check_parts(net: object, trainer: object) -> None:
    """Raises unless they are what `save` and `load` take in these places."""
    for name, given, kind in (("net", net, Block), ("trainer", trainer, Trainer)):
        if not isinstance(given, kind | None):
            raise OptionError(
                f"checkpoint: {name}: expected a {kind.__name__}, given {type(given).__name__}"
            )


def resumable(loader: Any) -> Resumable:
    """The loader, if it can tell its position."""
    if hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict"):
        return loader
    raise OptionError(
        f"checkpoint: {type(loader).__name__} lacks state_dict() and load_state_dict(state), by "
        "which a loader goes on where it was"
    )


class Checkpoints:
    """The checkpoints of one training in a folder: the last `keep`, and the best one.

    `best` names the progress that tells how good one is: the least counts, or the greatest with
    `mode="max"`. Files are called `checkpoint-000001.safetensors`, or by another prefix.
    """

    def __init__(
        self,
        folder: Filename,
        net: Block | None = None,
        trainer: Trainer | None = None,
        loader: Resumable | None = None,
        keep: int = 3,
        best: str | None = None,
        mode: str = "min",
        prefix: str = "checkpoint",
    ):
        self.folder = Path(folder)
        self.prefix = prefix
        self.parts = (net, trainer, loader)
        self.keep = count("Checkpoints: keep", keep)
        self.best_of = best
        self.mode = chosen("Checkpoints: mode", mode, ("min", "max"))
        self.folder.mkdir(parents=True, exist_ok=True)

    def files(self) -> list[Path]:
        """All checkpoints, the oldest first."""
        names = re.compile(re.escape(self.prefix) + r"-\d+\.safetensors")
        return sorted(
            filter(lambda f: names.fullmatch(f.name), self.folder.iterdir()), key=number_of
        )

    def save(self, **progress: Any) -> Path:
        """Write a checkpoint, and remove what is neither among the last nor the best."""
        if self.best_of is not None and not isinstance(progress.get(self.best_of), numbers.Real):
            raise OptionError(
                f"Checkpoints: save({self.best_of}=…) must be given a number, by which the best "
                f"is found; given {progress.get(self.best_of)!r:.40}"
            )
        files = self.files()
        number = number_of(files[-1]) + 1 if files else 1
        file = self.folder / f"{self.prefix}-{number:06}.safetensors"
        save(file, *self.parts, **progress)
        self.remove_old([*files, file])
        return file

    def remove_old(self, files: list[Path]) -> None:
        kept = {*files[-self.keep :], self.best()}
        for file in files:
            if file not in kept:
                file.unlink(missing_ok=True)

    def latest(self) -> Path | None:
        """The last checkpoint."""
        return next(reversed(self.files()), None)

    def best(self) -> Path | None:
        """The best checkpoint, if `best` is given; of equally good ones the first."""
        name = self.best_of
        if name is None:
            return None
        whole = [(progress_of(file), file) for file in self.files() if is_whole(file, peek_state)]
        found = [(badness(progress, name, self.mode), file) for progress, file in whole]
        return min(found, key=lambda pair: pair[0], default=(0.0, None))[1]

    def resume(self) -> dict[str, Any] | None:
        """Go on from the last checkpoint: its progress, or None where there is none.

        If that file is damaged, the error names the last one that is whole.
        """
        file = self.latest()
        if file is None:
            return None
        try:
            return load(file, *self.parts)
        except NncError as error:
            if is_whole(file):
                raise
            raise OptionError(f"{error}; {self.way_on()}") from None

    def way_on(self) -> str:
        """What to do when the last checkpoint is damaged."""
        files = self.files()
        whole = next(filter(is_whole, reversed(files)), None)
        if whole is None:
            return f"none of the {len(files)} files there is whole, the training begins anew"
        return f"{whole.name} is whole: remove the files after it, and resume() goes on from there"


def is_whole(file: Path, read: Callable[[Filename, str], State] = load_state) -> bool:
    """Whether a checkpoint can be read, or at least its progress with `peek_state`."""
    try:
        read(file, "training")
    except NncError:
        return False
    return True


def progress_of(filename: Filename) -> dict[str, Any]:
    """The progress in a checkpoint, its arrays left out; nothing else is read."""
    return peek_state(filename, "training")["progress"]


def number_of(file: Path) -> int:
    """The number in the file's name."""
    return int(file.stem.rpartition("-")[2])


def badness(progress: dict[str, Any], name: str, mode: str) -> float:
    """What the best checkpoint has least of; no number, or a NaN, is the worst."""
    value: Any = progress.get(name)
    if not is_number(value):
        return math.inf
    return value if mode == "min" else -value
