"""Recurrent layers over whole sequences.

The projections of all steps' inputs are one product; the loop over the steps is one in the compiled
program, so that neither kernels nor compile time grow with the length.
"""

from collections.abc import Callable, Sequence
from typing import Any

from nnc import nd
from nnc.arrays.array import NDArray
from nnc.checks import chosen, count, number
from nnc.control_flow import foreach
from nnc.errors import OptionError, ShapeError
from nnc.gluon.block import HybridBlock
from nnc.gluon.nn.basic import Dropout, Source
from nnc.gluon.parameter import Parameter
from nnc.gluon.rnn.gates import GRU_GATES, LSTM_GATES, RELU, TANH, Recurrence, States
from nnc.operators import layer as layers
from nnc.recording.recorder import record


def affine(x: NDArray, weight: Parameter, bias: Parameter) -> NDArray:
    """`x weight^T + bias` along the last axis."""
    inputs = [x.current, weight.data().current, bias.data().current]
    return NDArray(record(layers.dense, inputs, (False,))[0])


def check_width(what: str, x: NDArray, weight: Parameter) -> None:
    """Raises unless the last axis of the input is what the weight takes."""
    width = weight.data().shape[1]
    if x.shape[-1] != width:
        raise ShapeError(
            f"{what}: expected inputs of size {width} along the last axis, given shape {x.shape}"
        )


def lengths_of(x: NDArray, given: Any) -> NDArray:
    """How many steps each sequence has, as integers."""
    lengths = nd.array(given, ctx=x.device).astype("int32")
    if lengths.shape != x.shape[1:2]:
        raise ShapeError(
            f"sequence_length: expected one number for each of {x.shape[1]} sequences, given shape "
            f"{lengths.shape}"
        )
    return lengths


def turned(x: NDArray, lengths: NDArray | None) -> NDArray:
    """Each sequence from its last step to its first; time is axis 0."""
    return nd.flip(x, axis=0) if lengths is None else nd.SequenceReverse(x, lengths, True)


def steps(
    step: Callable[[NDArray, States], tuple[NDArray, States]],
    x: NDArray,
    initial: States,
    lengths: NDArray | None,
    name: str,
) -> tuple[NDArray, States]:
    """Outputs of all steps, and the last states.

    From the end of a sequence on its outputs are 0, and its states stay.
    """
    if lengths is None:
        return foreach(step, x, initial, name)

    def within(data: list[NDArray], old: States) -> tuple[NDArray, States]:
        seen, now = data
        output, new = step(now, old)
        kept = [nd.where(seen, n, o) for n, o in zip(new, old, strict=True)]
        return nd.where(seen, output, nd.zeros_like(output)), kept

    times = nd.arange(x.shape[0], dtype="int32", ctx=x.device).reshape(-1, 1, 1)
    return foreach(within, [times < lengths.reshape(-1, 1), x], initial, name)


class RecurrentLayer(HybridBlock):
    """`num_layers` recurrences, each over the outputs of the one before.

    Input `(T, N, C)`, or `(N, T, C)` with layout "NTC". Called with states it returns outputs and
    last states, else outputs only, from zero states. A state is `(layers * directions, N, H)`.
    With `sequence_length`, shape `(N,)`, what follows the end of a sequence counts for nothing:
    its outputs are 0, and the last states are those of its end. Parameters are named as in MXNet:
    `l0_i2h_weight`, and `r0_…` for the other direction.
    """

    def __init__(
        self,
        recurrence: Recurrence,
        hidden_size: int,
        num_layers: int,
        layout: str,
        dropout: float,
        bidirectional: bool,
        input_size: int,
        initializers: Sequence[Source],
        dtype: str,
        use_sequence_length: bool,
    ):
        super().__init__()
        name = type(self).__name__
        self._recurrence = recurrence
        self._hidden_size = count(f"{name}: hidden_size", hidden_size)
        self._layers = count(f"{name}: num_layers", num_layers)
        self._layout = chosen(f"{name}: layout", layout, ("TNC", "NTC"))
        self._dropout = Dropout(number(f"{name}: dropout", dropout, least=0, below=1))
        self._use_sequence_length = use_sequence_length
        self._directions = ("l", "r") if bidirectional else ("l",)
        width = count(f"{name}: input_size", input_size, 0)
        for layer in range(self._layers):
            for direction in self._directions:
                self._add(f"{direction}{layer}_", width, initializers, dtype)
            width = self._hidden_size * len(self._directions)

    def _add(self, prefix: str, width: int, initializers: Sequence[Source], dtype: str) -> None:
        """The parameters of one recurrence."""
        rows = self._recurrence.gates * self._hidden_size
        shapes = ((rows, width), (rows, self._hidden_size), (rows,), (rows,))
        names = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
        for name, shape, init in zip(names, shapes, initializers, strict=True):
            parameter = Parameter(
                prefix + name, shape=shape, dtype=dtype, init=init, allow_deferred_init=True
            )
            setattr(self, prefix + name, parameter)

    def infer_shape(self, x: NDArray, *states: Any) -> None:
        self.check_sequence(x)
        rows = self._recurrence.gates * self._hidden_size
        for direction in self._directions:
            self._parameters[f"{direction}0_i2h_weight"].finish((rows, x.shape[-1]))

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """The shape of each state."""
        shape = (self._layers * len(self._directions), batch_size, self._hidden_size)
        return [{"shape": shape, "__layout__": "LNC"}] * self._recurrence.states

    def begin_state(
        self, batch_size: int = 0, func: Callable[..., NDArray] = nd.zeros, **options: Any
    ) -> States:
        """States to start from, zeros unless `func` makes others."""
        return [func(shape=info["shape"], **options) for info in self.state_info(batch_size)]

    def __call__(self, *args: Any, states: Any = None, sequence_length: Any = None) -> Any:
        given = [*args, *(states, sequence_length)[len(args) - 1 :]]
        while given and given[-1] is None:
            given.pop()
        if self._use_sequence_length and len(given) < 3:
            raise OptionError(
                f"{type(self).__name__}: with use_sequence_length=True, sequence_length=… says how "
                "many steps each sequence has"
            )
        return super().__call__(*given)

    def forward(self, x: NDArray, states: Any = None, sequence_length: Any = None) -> Any:
        self.check_sequence(x)
        check_width(type(self).__name__, x, self._parameters["l0_i2h_weight"])
        x = x.transpose(1, 0, 2) if self._layout == "NTC" else x
        given = self._given(x, states)
        lengths = None if sequence_length is None else lengths_of(x, sequence_length)
        last: list[States] = []
        for layer in range(self._layers):
            outputs: list[NDArray] = []
            for direction in self._directions:
                initial = [state[len(last)] for state in given]
                output, final = self._run(f"{direction}{layer}_", x, initial, lengths)
                outputs.append(output)
                last.append(final)
            x = outputs[0] if len(outputs) == 1 else nd.concat(*outputs, dim=2)
            x = self._dropout(x) if layer < self._layers - 1 else x
        x = x.transpose(1, 0, 2) if self._layout == "NTC" else x
        return x if states is None else (x, [nd.stack(*s) for s in zip(*last, strict=True)])

    def check_sequence(self, x: NDArray) -> None:
        """Raises unless the input has three axes."""
        if x.ndim != 3:
            raise ShapeError(
                f"{type(self).__name__}: expected {self._layout} with 3 axes, given shape {x.shape}"
            )

    def _given(self, x: NDArray, states: Any) -> States:
        """The initial states, as a list."""
        infos = self.state_info(x.shape[1])
        if states is None:
            return [nd.zeros(info["shape"], dtype=x.dtype, ctx=x.device) for info in infos]
        given = [states] if isinstance(states, NDArray) else list(states)
        shapes, expected = [s.shape for s in given], [info["shape"] for info in infos]
        if shapes != expected:
            raise ShapeError(
                f"{type(self).__name__}: expected states of shapes {expected}, given {shapes}"
            )
        return given

    def _run(
        self, prefix: str, x: NDArray, initial: States, lengths: NDArray | None
    ) -> tuple[NDArray, States]:
        """Outputs of all steps in one direction, and the last states."""
        weight, h2h, bias, h2h_bias = (
            self._parameters[prefix + name]
            for name in ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
        )
        backward = prefix.startswith("r")
        i2h = affine(turned(x, lengths) if backward else x, weight, bias)

        def step(i2h: NDArray, states: States) -> tuple[NDArray, States]:
            new = self._recurrence.step(i2h, affine(states[0], h2h, h2h_bias), states)
            return new[0], new

        output, final = steps(step, i2h, initial, lengths, type(self).__name__)
        return (turned(output, lengths) if backward else output), final

    def describe(self) -> str:
        width = (self._parameters["l0_i2h_weight"].shape or (0, 0))[1] or None
        layers = f", num_layers={self._layers}" if self._layers > 1 else ""
        both = ", bidirectional" if len(self._directions) > 1 else ""
        return f"{width} -> {self._hidden_size}, {self._layout}{layers}{both}"


class RNN(RecurrentLayer):
    """`h' = activation(i2h(x) + h2h(h))`, with relu or tanh."""

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        activation: str = "relu",
        layout: str = "TNC",
        dropout: float = 0,
        bidirectional: bool = False,
        i2h_weight_initializer: Source = None,
        h2h_weight_initializer: Source = None,
        i2h_bias_initializer: Source = "zeros",
        h2h_bias_initializer: Source = "zeros",
        input_size: int = 0,
        dtype: str = "float32",
        use_sequence_length: bool = False,
    ):
        known = {"relu": RELU, "tanh": TANH}
        recurrence = known[chosen("RNN: activation", activation, known)]
        weights = i2h_weight_initializer, h2h_weight_initializer
        biases = i2h_bias_initializer, h2h_bias_initializer
        super().__init__(
            recurrence, hidden_size, num_layers, layout, dropout, bidirectional, input_size,
            (*weights, *biases), dtype, use_sequence_length,
        )  # fmt: skip


class LSTM(RecurrentLayer):
    """Long short-term memory: states h and c; gates i, f, g, o."""

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        layout: str = "TNC",
        dropout: float = 0,
        bidirectional: bool = False,
        input_size: int = 0,
        i2h_weight_initializer: Source = None,
        h2h_weight_initializer: Source = None,
        i2h_bias_initializer: Source = "zeros",
        h2h_bias_initializer: Source = "zeros",
        projection_size: int | None = None,
        h2r_weight_initializer: Source = None,
        state_clip_min: float | None = None,
        state_clip_max: float | None = None,
        state_clip_nan: bool = False,
        dtype: str = "float32",
        use_sequence_length: bool = False,
    ):
        if projection_size is not None or state_clip_min is not None or state_clip_max is not None:
            raise OptionError("LSTM: projections and clipped states are not supported")
        weights = i2h_weight_initializer, h2h_weight_initializer
        biases = i2h_bias_initializer, h2h_bias_initializer
        super().__init__(
            LSTM_GATES, hidden_size, num_layers, layout, dropout, bidirectional, input_size,
            (*weights, *biases), dtype, use_sequence_length,
        )  # fmt: skip


class GRU(RecurrentLayer):
    """Gated recurrent unit: gates r, z, n; the h2h bias of n is inside of `r * (…)`."""

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        layout: str = "TNC",
        dropout: float = 0,
        bidirectional: bool = False,
        input_size: int = 0,
        i2h_weight_initializer: Source = None,
        h2h_weight_initializer: Source = None,
        i2h_bias_initializer: Source = "zeros",
        h2h_bias_initializer: Source = "zeros",
        dtype: str = "float32",
        use_sequence_length: bool = False,
    ):
        weights = i2h_weight_initializer, h2h_weight_initializer
        biases = i2h_bias_initializer, h2h_bias_initializer
        super().__init__(
            GRU_GATES, hidden_size, num_layers, layout, dropout, bidirectional, input_size,
            (*weights, *biases), dtype, use_sequence_length,
        )  # fmt: skip
