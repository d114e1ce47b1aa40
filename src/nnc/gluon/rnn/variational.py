"""Dropout that is the same at all steps of a sequence."""

from collections.abc import Sequence
from typing import Any

from nnc import autograd, nd
from nnc.arrays.array import NDArray
from nnc.checks import chosen
from nnc.gluon.nn.basic import Dropout
from nnc.gluon.rnn.cell import ModifierCell, RecurrentCell
from nnc.gluon.rnn.gates import States
from nnc.recording.recorder import recorder


class VariationalDropoutCell(ModifierCell):
    """Dropout of inputs, of the first state and of outputs, drawn once for all steps.

    `unroll` draws anew; where steps are called one by one, `reset` does (Gal and Ghahramani, 2016).
    """

    def __init__(
        self,
        base_cell: RecurrentCell,
        drop_inputs: float = 0.0,
        drop_states: float = 0.0,
        drop_outputs: float = 0.0,
    ):
        super().__init__(base_cell)
        self._drops = Dropout(drop_inputs), Dropout(drop_states), Dropout(drop_outputs)
        self._masks: dict[Dropout, NDArray] = {}

    def reset(self) -> None:
        """Forget what was drawn."""
        self._masks.clear()
        self.base_cell.reset()

    def forward(self, x: NDArray, states: States) -> tuple[NDArray, States]:
        of_inputs, of_states, of_outputs = self._drops
        first, *rest = states
        output, new = self.base_cell(
            self._masked(of_inputs, x), [self._masked(of_states, first), *rest]
        )
        return self._masked(of_outputs, output), new

    def _masked(self, dropout: Dropout, x: NDArray) -> NDArray:
        if not recorder.training:
            return x
        if dropout not in self._masks:
            with autograd.pause(train_mode=True):
                self._masks[dropout] = dropout(nd.ones_like(x))
        return x * self._masks[dropout]

    def unroll(
        self,
        length: int,
        inputs: NDArray | Sequence[NDArray],
        begin_state: States | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: NDArray | None = None,
    ) -> tuple[Any, States]:
        self.reset()
        x = self._steps(length, inputs, chosen("unroll: layout", layout, ("NTC", "TNC")))[0]
        states = begin_state
        if states is None:
            states = self.begin_state(x.shape[0], dtype=x.dtype, ctx=x.device)
        with autograd.pause(train_mode=recorder.training):  # draws before the loop, not in it
            self(x, states)
        return super().unroll(length, inputs, states, layout, merge_outputs, valid_length)
