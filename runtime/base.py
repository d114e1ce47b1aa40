"""What a program is, wherever it runs: its arguments by name, its text and its report."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from nnc.codegen.artifact import Argument, Artifact
from nnc.runtime.arguments import Array
from nnc.runtime.errors import BindError, ProgramError
from nnc.runtime.report import Report, report_of

BOUND_ROLES = ("parameter", "state", "scalar")


Memory = TypeVar("Memory")


class BaseProgram(ABC, Generic[Memory]):
    """A compiled program. Arguments with a bound role are kept between calls in a `Memory`."""

    def __init__(
        self,
        artifact: Artifact,
        ir: Callable[[str], str] | None = None,
        check_nans: bool = False,
    ):
        self.artifact = artifact
        self.check_nans = check_nans
        self._ir = ir
        self._index = {argument.name: i for i, argument in enumerate(artifact.arguments)}
        self._bound: dict[int, Memory] = {}

    @property
    def name(self) -> str:
        return self.artifact.name

    @property
    def source(self) -> str:
        """The generated text of all translation units."""
        return "\n".join(unit.text for unit in self.artifact.units)

    def ir(self, level: str) -> str:
        """The program's IR at a level of the pipeline."""
        if self._ir is None:
            raise ProgramError(f"program '{self.name}' was made without its IR")
        return self._ir(level)

    def report(self) -> Report:
        return report_of(self.artifact)

    def bind(self, arrays: Mapping[str, object] | None = None, /, **named: object) -> None:
        """Keep arguments for all later calls. Nothing is bound if one of them is wrong."""
        bound = dict(self._bound)
        for name, value in {**(arrays or {}), **named}.items():
            index = self._index_of_bound(name)
            bound[index] = self._hold(self._argument(index), value)
        self._check_bound(bound)
        self._bound = bound
        self._on_bound()

    @abstractmethod
    def set(self, name: str, value: float) -> None:
        """Change a bound scalar, or bind it."""

    @abstractmethod
    def read(self, name: str) -> Array:
        """A copy of a bound argument."""

    @abstractmethod
    def _hold(self, argument: Argument, value: object) -> Memory:
        """The memory that holds a bound argument."""

    def _check_bound(self, bound: dict[int, Memory]) -> None:
        """Raise a `BindError` when these arguments cannot be bound together."""

    @abstractmethod
    def _on_bound(self) -> None:
        """Forget what was prepared for the arguments bound before."""

    def _argument(self, index: int) -> Argument:
        return self.artifact.arguments[index]

    def _indices(self, *roles: str) -> list[int]:
        return [i for i, a in enumerate(self.artifact.arguments) if a.role in roles]

    def _index_of_bound(self, name: str, roles: tuple[str, ...] = BOUND_ROLES) -> int:
        index = self._index.get(name)
        if index is None:
            known = self._names(self._indices(*roles)) or "nothing"
            raise BindError(f"program '{self.name}' has no argument '{name}'; it can bind {known}")
        if (role := self._argument(index).role) not in roles:
            raise BindError(
                f"program '{self.name}': '{name}' is an argument of role '{role}', expected one "
                f"of role {' or '.join(roles)}; inputs are given by position in each call, "
                "outputs by out="
            )
        return index

    def _check_complete(self) -> None:
        missing = [i for i in self._indices(*BOUND_ROLES) if i not in self._bound]
        if missing:
            raise BindError(
                f"program '{self.name}' was called before {self._names(missing)} had a value; "
                "give arrays with bind(), scalars with set()"
            )

    def _check_count(self, role: str, given: int) -> None:
        indices = self._indices(role)
        if given != len(indices):
            names = self._names(indices) or "none"
            raise BindError(
                f"program '{self.name}': expected {len(indices)} {role}s ({names}), given {given}"
            )

    def _wanted(self, out: object) -> list[tuple[int, object]]:
        """Each output's index and the array that `out` gives for it."""
        arrays: list[object] = list(out) if isinstance(out, tuple | list) else [out]
        self._check_count("output", len(arrays))
        return list(zip(self._indices("output"), arrays, strict=True))

    def _names(self, indices: list[int]) -> str:
        return ", ".join(f"'{self._argument(i).name}'" for i in indices)
