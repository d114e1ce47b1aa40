"""Elementwise functions as layers, by name."""

from nnc import nd
from nnc.array_functions.layer import activation_named
from nnc.arrays.array import NDArray
from nnc.checks import chosen, count, number
from nnc.gluon.block import HybridBlock
from nnc.gluon.parameter import Parameter
from nnc.init import Constant, Initializer
from nnc.operators import core as ops
from nnc.operators import elementwise as elements


class Activation(HybridBlock):
    """An elementwise function by its name in `ACTIVATIONS`, or softmax."""

    def __init__(self, activation: str):
        super().__init__()
        self._name = activation
        self._operation, self._attributes = activation_named(activation)

    def forward(self, x: NDArray) -> NDArray:
        return x.apply(self._operation, *self._attributes)

    def describe(self) -> str:
        return self._name


class LeakyReLU(HybridBlock):
    """`x` above 0, else `alpha x`."""

    def __init__(self, alpha: float):
        super().__init__()
        self._alpha = number("LeakyReLU: alpha", alpha, least=0)

    def forward(self, x: NDArray) -> NDArray:
        return nd.leaky_relu(x, self._alpha)

    def describe(self) -> str:
        return f"{self._alpha}"


QUARTER = Constant(0.25)


class PReLU(HybridBlock):
    """`x` above 0, else `alpha x` with a learned alpha: one, or one for each channel, axis 1."""

    def __init__(self, alpha_initializer: Initializer | str | None = QUARTER, in_channels: int = 1):
        super().__init__()
        channels = count("PReLU: in_channels", in_channels)
        self.alpha = Parameter("alpha", shape=(channels,), init=alpha_initializer)

    def forward(self, x: NDArray) -> NDArray:
        return nd.prelu(x, self.alpha.data())


class ELU(HybridBlock):
    """`x` above 0, else `alpha (exp(x) - 1)`."""

    def __init__(self, alpha: float = 1.0):
        super().__init__()
        self._alpha = number("ELU: alpha", alpha)

    def forward(self, x: NDArray) -> NDArray:
        return nd.elu(x, self._alpha)


class SELU(HybridBlock):
    """ELU with the constants that keep mean 0 and variance 1."""

    def forward(self, x: NDArray) -> NDArray:
        return nd.selu(x)


class GELU(HybridBlock):
    """`x Phi(x)`, exactly ("erf") or by tanh."""

    def __init__(self, approximation: str = "erf"):
        super().__init__()
        chosen("GELU: approximation", approximation, ("erf", "tanh"))
        self._operation = ops.gelu if approximation == "erf" else elements.gelu_tanh

    def forward(self, x: NDArray) -> NDArray:
        return x.apply(self._operation)


class Swish(HybridBlock):
    """`x sigmoid(beta x)`."""

    def __init__(self, beta: float = 1.0):
        super().__init__()
        self._beta = number("Swish: beta", beta)

    def forward(self, x: NDArray) -> NDArray:
        return nd.swish(x, self._beta)


class SiLU(HybridBlock):
    """`x sigmoid(x)`."""

    def forward(self, x: NDArray) -> NDArray:
        return x.apply(ops.silu)
