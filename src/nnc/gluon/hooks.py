"""Functions that are called when a block is, or when it records an operation."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nnc.arrays.array import NDArray
from nnc.checks import function
from nnc.recording.graph import Operation, Value
from nnc.recording.recorder import Watcher, recorder

if TYPE_CHECKING:
    from nnc.gluon.block import Block

Hook = Callable[..., Any]


class HookHandle:
    """Takes a hook away again: `detach()`, or the end of a `with` block."""

    def __init__(self, hooks: "dict[HookHandle, Hook]", what: str, hook: Hook):
        self._hooks = hooks
        hooks[self] = function(what, hook)

    def detach(self) -> None:
        """The hook is not called any more."""
        self._hooks.pop(self, None)

    def __enter__(self) -> "HookHandle":
        return self

    def __exit__(self, *error: object) -> None:
        self.detach()


class Hooks:
    """The hooks of a block."""

    def __init__(self) -> None:
        self.before: dict[HookHandle, Hook] = {}
        self.after: dict[HookHandle, Hook] = {}
        self.operations: dict[HookHandle, Hook] = {}
        self.remembers = False
        """Whether `inputs` has what the block was called with last: types in place of arrays."""
        self.inputs: tuple[Any, ...] | None = None

    def __bool__(self) -> bool:
        return bool(self.remembers or self.before or self.after or self.operations)

    def call(self, block: "Block", args: tuple[Any, ...]) -> Any:
        """The block's `forward` among the hooks."""
        if self.remembers:
            self.inputs = types_of(args)
        for hook in list(self.before.values()):
            hook(block, args)
        around = recorder.watchers
        recorder.watchers = [*around, *map(watcher, self.operations.values())]
        try:
            result = block.forward(*args)
        finally:
            recorder.watchers = around
        for hook in list(self.after.values()):
            hook(block, args, result)
        return result


def types_of(given: Any) -> Any:
    """Types in place of arrays, in the same lists and tuples."""
    if isinstance(given, list | tuple):
        return type(given)([types_of(part) for part in given])
    return given.current.type if isinstance(given, NDArray) else given


def watcher(hook: Hook) -> Watcher:
    """Calls a hook for each operation of one call, with a name that counts those of a kind."""
    counts: dict[str, int] = {}

    def watch(operation: Operation, inputs: Sequence[Value], results: Sequence[Value]) -> None:
        kind = operation.name
        counts[kind] = counts.get(kind, -1) + 1
        around, recorder.watchers = recorder.watchers, []
        try:
            hook(f"{kind}{counts[kind]}", kind, inputs, results)
        finally:
            recorder.watchers = around

    return watch


def array_hook(callback: Hook, monitor_all: bool) -> Hook:
    """A hook that calls back with name, operation and array of each result, or of all values."""

    def hook(name: str, kind: str, inputs: Sequence[Value], results: Sequence[Value]) -> None:
        for what, values in (("input", inputs if monitor_all else ()), ("output", results)):
            for i, value in enumerate(values):
                callback(f"{name}_{what}{i or ''}", kind, NDArray(value))

    return hook
