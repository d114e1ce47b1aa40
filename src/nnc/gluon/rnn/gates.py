"""One step of each recurrence: from what the gates are given to the new states."""

from collections.abc import Callable
from typing import NamedTuple

from nnc import nd
from nnc.arrays.array import NDArray

States = list[NDArray]
Step = Callable[[NDArray, NDArray, States], States]
"""From the projections of the input and of the output before, and the states, to new states.

The first state is the output.
"""


class Recurrence(NamedTuple):
    """How many states and gates there are, and a step."""

    states: int
    gates: int
    step: Step


def elman(activation: Callable[[NDArray], NDArray]) -> Recurrence:
    """`h' = activation(i2h + h2h)`."""

    def step(i2h: NDArray, h2h: NDArray, states: States) -> States:
        return [activation(i2h + h2h)]

    return Recurrence(1, 1, step)


def lstm_step(i2h: NDArray, h2h: NDArray, states: States) -> States:
    """`c' = f c + i g` and `h' = o tanh(c')`; gates i, f, g, o in this order."""
    i, f, g, o = nd.split(i2h + h2h, 4, axis=1)
    cell = nd.sigmoid(f) * states[1] + nd.sigmoid(i) * nd.tanh(g)
    return [nd.sigmoid(o) * nd.tanh(cell), cell]


def gru_step(i2h: NDArray, h2h: NDArray, states: States) -> States:
    """`n = tanh(i2h_n + r h2h_n)` and `h' = (1 - z) n + z h`; gates r, z, n in this order."""
    of_input, of_state = nd.split(i2h, 3, axis=1), nd.split(h2h, 3, axis=1)
    r, z = (nd.sigmoid(a + b) for a, b in zip(of_input[:2], of_state[:2], strict=True))
    n = nd.tanh(of_input[2] + r * of_state[2])
    return [n + z * (states[0] - n)]


RELU, TANH = elman(nd.relu), elman(nd.tanh)
LSTM_GATES = Recurrence(2, 4, lstm_step)
GRU_GATES = Recurrence(1, 3, gru_step)
