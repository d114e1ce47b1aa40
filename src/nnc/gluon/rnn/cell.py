"""Recurrent cells: one step at a time, and `unroll` for whole sequences."""

from collections.abc import Callable, Sequence
from typing import Any

from nnc import autograd, nd
from nnc.arrays.array import NDArray
from nnc.checks import chosen, count, number
from nnc.errors import OptionError, ShapeError
from nnc.gluon.block import HybridBlock
from nnc.gluon.nn.basic import Dropout, Source
from nnc.gluon.parameter import Parameter
from nnc.gluon.rnn.gates import GRU_GATES, LSTM_GATES, RELU, TANH, Recurrence, States
from nnc.gluon.rnn.layer import affine, check_width, lengths_of, steps, turned


class RecurrentCell(HybridBlock):
    """`output, states = cell(input, states)`, a step of a recurrence."""

    def reset(self) -> None:
        """Nothing is kept between sequences."""

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """The shape of each state."""
        raise NotImplementedError

    def begin_state(
        self, batch_size: int = 0, func: Callable[..., NDArray] = nd.zeros, **options: Any
    ) -> States:
        """States to start from, zeros unless `func` makes others."""
        return [func(shape=info["shape"], **options) for info in self.state_info(batch_size)]

    def unroll(
        self,
        length: int,
        inputs: NDArray | Sequence[NDArray],
        begin_state: States | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: NDArray | None = None,
    ) -> tuple[Any, States]:
        """Outputs and last states of `length` steps, which are one loop in the program.

        Inputs and outputs are one array, or a list with one for each step. From a sequence's valid
        length on its outputs are 0 and its states stay.
        """
        x = self._steps(length, inputs, chosen("unroll: layout", layout, ("NTC", "TNC")))
        states = begin_state
        if states is None:
            states = self.begin_state(x.shape[1], dtype=x.dtype, ctx=x.device)
        with autograd.pause():  # finishes shapes: parameters cannot be made inside of the loop
            self(x[0], states)
        lengths = None if valid_length is None else lengths_of(x, valid_length)
        outputs, states = steps(self, x, list(states), lengths, "unroll")
        if merge_outputs is False or (merge_outputs is None and not isinstance(inputs, NDArray)):
            return [outputs[t] for t in range(length)], states
        return (outputs.transpose(1, 0, 2) if layout == "NTC" else outputs), states

    def _steps(self, length: int, inputs: NDArray | Sequence[NDArray], layout: str) -> NDArray:
        """The inputs as one array, time first."""
        if not isinstance(inputs, NDArray):
            x = nd.stack(*inputs, axis=0)
        else:
            x = inputs.transpose(1, 0, 2) if layout == "NTC" else inputs
        if x.shape[0] != length:
            raise ShapeError(f"unroll: expected {length} steps, given {x.shape[0]}")
        return x


HybridRecurrentCell = RecurrentCell


class GatedCell(RecurrentCell):
    """A cell with the parameters i2h and h2h, for all gates one below the other."""

    def __init__(
        self,
        recurrence: Recurrence,
        hidden_size: int,
        input_size: int,
        initializers: Sequence[Source],
        output_size: int | None = None,
    ):
        """The output is the first state, of `output_size`, or of `hidden_size`."""
        super().__init__()
        name = type(self).__name__
        self._recurrence = recurrence
        self._hidden_size = count(f"{name}: hidden_size", hidden_size)
        self._rows = recurrence.gates * hidden_size
        width = count(f"{name}: input_size", input_size, 0)
        i2h, h2h, i2h_bias, h2h_bias = initializers
        self.i2h_weight = Parameter(
            "i2h_weight", shape=(self._rows, width), init=i2h, allow_deferred_init=True
        )
        fed_back = hidden_size if output_size is None else output_size
        self.h2h_weight = Parameter("h2h_weight", shape=(self._rows, fed_back), init=h2h)
        self.i2h_bias = Parameter("i2h_bias", shape=(self._rows,), init=i2h_bias)
        self.h2h_bias = Parameter("h2h_bias", shape=(self._rows,), init=h2h_bias)

    def infer_shape(self, x: NDArray, *states: Any) -> None:
        self.i2h_weight.finish((self._rows, x.shape[-1]))

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        shape = (batch_size, self._hidden_size)
        return [{"shape": shape, "__layout__": "NC"}] * self._recurrence.states

    def forward(self, x: NDArray, states: States) -> tuple[NDArray, States]:
        expected = [info["shape"] for info in self.state_info(x.shape[0])]
        given = [state.shape for state in states]
        if given != expected:
            raise ShapeError(
                f"{type(self).__name__}: expected a list of states of shapes {expected}, "
                f"given {given}; begin_state makes the first"
            )
        check_width(type(self).__name__, x, self.i2h_weight)
        i2h = affine(x, self.i2h_weight, self.i2h_bias)
        h2h = affine(states[0], self.h2h_weight, self.h2h_bias)
        new = self.output(self._recurrence.step(i2h, h2h, list(states)))
        return new[0], new

    def output(self, new: States) -> States:
        """The states of the recurrence as those of the cell."""
        return new

    def describe(self) -> str:
        return f"{(self.i2h_weight.shape or (0, 0))[1] or None} -> {self._hidden_size}"


class RNNCell(GatedCell):
    """`h' = activation(i2h(x) + h2h(h))`."""

    def __init__(
        self,
        hidden_size: int,
        activation: str = "tanh",
        i2h_weight_initializer: Source = None,
        h2h_weight_initializer: Source = None,
        i2h_bias_initializer: Source = "zeros",
        h2h_bias_initializer: Source = "zeros",
        input_size: int = 0,
    ):
        known = {"relu": RELU, "tanh": TANH}
        weights = i2h_weight_initializer, h2h_weight_initializer
        biases = i2h_bias_initializer, h2h_bias_initializer
        recurrence = known[chosen("RNNCell: activation", activation, known)]
        super().__init__(recurrence, hidden_size, input_size, (*weights, *biases))


class LSTMCell(GatedCell):
    """A step of long short-term memory; gates i, f, g, o."""

    def __init__(
        self,
        hidden_size: int,
        i2h_weight_initializer: Source = None,
        h2h_weight_initializer: Source = None,
        i2h_bias_initializer: Source = "zeros",
        h2h_bias_initializer: Source = "zeros",
        input_size: int = 0,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
    ):
        check_activations("LSTMCell", activation, recurrent_activation)
        weights = i2h_weight_initializer, h2h_weight_initializer
        biases = i2h_bias_initializer, h2h_bias_initializer
        super().__init__(LSTM_GATES, hidden_size, input_size, (*weights, *biases))


class GRUCell(GatedCell):
    """A step of a gated recurrent unit; gates r, z, n."""

    def __init__(
        self,
        hidden_size: int,
        i2h_weight_initializer: Source = None,
        h2h_weight_initializer: Source = None,
        i2h_bias_initializer: Source = "zeros",
        h2h_bias_initializer: Source = "zeros",
        input_size: int = 0,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
    ):
        check_activations("GRUCell", activation, recurrent_activation)
        weights = i2h_weight_initializer, h2h_weight_initializer
        biases = i2h_bias_initializer, h2h_bias_initializer
        super().__init__(GRU_GATES, hidden_size, input_size, (*weights, *biases))


def check_activations(name: str, activation: str, recurrent: str) -> None:
    if (activation, recurrent) != ("tanh", "sigmoid"):
        raise OptionError(
            f"{name}: expected activation 'tanh' and recurrent_activation 'sigmoid', given "
            f"'{activation}' and '{recurrent}'"
        )


class SequentialRNNCell(RecurrentCell):
    """Cells one above the other."""

    @property
    def cells(self) -> list[RecurrentCell]:
        return [cell for cell in self._children.values() if isinstance(cell, RecurrentCell)]

    def add(self, cell: RecurrentCell) -> None:
        self.register_child(cell)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        return [info for cell in self.cells for info in cell.state_info(batch_size)]

    def forward(self, x: NDArray, states: States) -> tuple[NDArray, States]:
        remaining, new = iter(states), list[NDArray]()
        for cell in self.cells:
            own = [next(remaining) for _ in cell.state_info()]
            x, updated = cell(x, own)
            new += updated
        return x, new


HybridSequentialRNNCell = SequentialRNNCell


class ModifierCell(RecurrentCell):
    """A cell that changes what another one does, and has its states."""

    def __init__(self, base_cell: RecurrentCell):
        super().__init__()
        self.base_cell = base_cell

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        return self.base_cell.state_info(batch_size)


class ResidualCell(ModifierCell):
    """The output plus the input."""

    def forward(self, x: NDArray, states: States) -> tuple[NDArray, States]:
        output, new = self.base_cell(x, states)
        return output + x, new


class ZoneoutCell(ModifierCell):
    """In training, elements of the states keep their old values with some probability.

    The outputs likewise are 0 with the probability `zoneout_outputs`, as before the first step.
    """

    def __init__(
        self, base_cell: RecurrentCell, zoneout_outputs: float = 0.0, zoneout_states: float = 0.0
    ):
        super().__init__(base_cell)
        self._outputs = Dropout(number("ZoneoutCell: zoneout_outputs", zoneout_outputs, least=0))
        self._states = Dropout(number("ZoneoutCell: zoneout_states", zoneout_states, least=0))

    def forward(self, x: NDArray, states: States) -> tuple[NDArray, States]:
        output, new = self.base_cell(x, states)
        mixed = [self._mix(self._states, n, o) for n, o in zip(new, states, strict=True)]
        return self._mix(self._outputs, output, nd.zeros_like(output)), mixed

    def _mix(self, dropout: Dropout, new: NDArray, old: NDArray) -> NDArray:
        return nd.where(dropout(nd.ones_like(new)) > 0, new, old)


class DropoutCell(RecurrentCell):
    """Dropout between cells; it has no states."""

    def __init__(self, rate: float, axes: tuple[int, ...] = ()):
        super().__init__()
        self._dropout = Dropout(rate, axes)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        return []

    def forward(self, x: NDArray, states: States) -> tuple[NDArray, States]:
        return self._dropout(x), list(states)


class BidirectionalCell(RecurrentCell):
    """One cell from the first step on, another from the last; only for `unroll`."""

    def __init__(self, l_cell: RecurrentCell, r_cell: RecurrentCell):
        super().__init__()
        self.l_cell, self.r_cell = l_cell, r_cell

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        return [*self.l_cell.state_info(batch_size), *self.r_cell.state_info(batch_size)]

    def forward(self, *args: Any) -> Any:
        raise OptionError("BidirectionalCell cannot be stepped; call unroll")

    def unroll(
        self,
        length: int,
        inputs: NDArray | Sequence[NDArray],
        begin_state: States | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: NDArray | None = None,
    ) -> tuple[Any, States]:
        x = self._steps(length, inputs, layout)
        lengths = None if valid_length is None else lengths_of(x, valid_length)
        states = self.begin_state(x.shape[1]) if begin_state is None else list(begin_state)
        cut = len(self.l_cell.state_info())
        forth, l_states = self.l_cell.unroll(length, x, states[:cut], "TNC", True, lengths)
        back, r_states = self.r_cell.unroll(
            length, turned(x, lengths), states[cut:], "TNC", True, lengths
        )
        outputs = nd.concat(forth, turned(back, lengths), dim=2)
        if merge_outputs is False or (merge_outputs is None and not isinstance(inputs, NDArray)):
            return [outputs[t] for t in range(length)], l_states + r_states
        merged = outputs.transpose(1, 0, 2) if layout == "NTC" else outputs
        return merged, l_states + r_states
