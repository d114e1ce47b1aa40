"""A recurrence whose output is narrower than its cell."""

from typing import Any

from nnc import nd
from nnc.checks import count
from nnc.gluon.nn.basic import Source
from nnc.gluon.parameter import Parameter
from nnc.gluon.rnn.cell import GatedCell
from nnc.gluon.rnn.gates import LSTM_GATES, States


class LSTMPCell(GatedCell):
    """A step of long short-term memory with `r = h2r(o tanh(c))` as its output; gates i, f, g, o.

    States are r, `(N, projection_size)`, and c, `(N, hidden_size)`; the gates see r.
    """

    def __init__(
        self,
        hidden_size: int,
        projection_size: int,
        i2h_weight_initializer: Source = None,
        h2h_weight_initializer: Source = None,
        h2r_weight_initializer: Source = None,
        i2h_bias_initializer: Source = "zeros",
        h2h_bias_initializer: Source = "zeros",
        input_size: int = 0,
    ):
        self._projection_size = count("LSTMPCell: projection_size", projection_size)
        weights = i2h_weight_initializer, h2h_weight_initializer
        biases = i2h_bias_initializer, h2h_bias_initializer
        super().__init__(
            LSTM_GATES, hidden_size, input_size, (*weights, *biases), self._projection_size
        )
        self.h2r_weight = Parameter(
            "h2r_weight", shape=(projection_size, hidden_size), init=h2r_weight_initializer
        )

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        sizes = self._projection_size, self._hidden_size
        return [{"shape": (batch_size, size), "__layout__": "NC"} for size in sizes]

    def output(self, new: States) -> States:
        hidden, cell = new
        return [nd.dot(hidden, self.h2r_weight.data(), transpose_b=True), cell]
