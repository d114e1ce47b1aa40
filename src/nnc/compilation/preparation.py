"""Values derived from parameters: computed again only when one of those has been written."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nnc.recording.graph import Memory
from nnc.runtime.arguments import aligned_empty
from nnc.runtime.device import Place, Storage
from nnc.runtime.gpu import GpuProgram
from nnc.runtime.program import Program

if TYPE_CHECKING:
    from nnc.compilation.variable import Variable


class Preparation:
    """The derived values of a program, and the program that makes them."""

    def __init__(
        self, program: Program | GpuProgram, variables: "Mapping[str, Variable]", device: Place
    ):
        arguments = program.artifact.arguments
        sources = [a.name for a in arguments if a.role == "parameter"]
        program.bind({name: variables[name].place for name in sources})
        self.program = program
        self.places: dict[str, Storage] = {
            a.name: device.array(empty(a.shape, np.dtype(a.dtype)))
            for a in arguments
            if a.role == "output"
        }
        self.outputs = list(self.places.values())
        # Not the variables: these programs go when those do.
        self.writes = [variables[name].writes for name in sources]
        self.seen: list[int] = []

    def refresh(self) -> None:
        """Makes the values again if a parameter has been written since."""
        counts = [writes.count for writes in self.writes]
        if counts != self.seen:
            self.program(out=self.outputs)
            self.seen = counts


def empty(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Memory:
    return aligned_empty(shape, dtype, dtype.itemsize * int(np.prod(shape)))[0]
