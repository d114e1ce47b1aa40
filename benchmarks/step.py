"""One step of a peer, as the harness calls it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from workload import Array


@dataclass
class Step:
    """`step()` computes once, synchronously; `step.feed(arrays)` replaces its inputs."""

    compute: Callable[..., Any]
    """From a peer's own inputs to its output (inference) or loss (training)."""
    convert: Callable[[Array], Any]
    """From a numpy input to the peer's own."""
    to_numpy: Callable[[Any], Array]
    arrays: Sequence[Any] = field(default_factory=list)
    output: Any = None

    def feed(self, arrays: Sequence[Array]) -> None:
        self.arrays = [self.convert(array) for array in arrays]

    def __call__(self) -> None:
        self.output = self.compute(*self.arrays)

    def fetch(self) -> Array:
        return self.to_numpy(self.output)


Setup = tuple[Step, Callable[[], Array]]
"""What an adapter's `setup(workload, threads, variant)` returns: the step and its `fetch`."""


def ready(step: Step, inputs: Sequence[Array]) -> Setup:
    """`step` with its first inputs."""
    step.feed(inputs)
    return step, step.fetch
