"""Normalization."""

from nnc import layer_operators as layers
from nnc.array import NDArray
from nnc.checks import count, number
from nnc.gluon.block import HybridBlock
from nnc.gluon.nn.basic import Source
from nnc.gluon.parameter import Parameter
from nnc.recorder import record, recorder


class BatchNorm(HybridBlock):
    """Normalizes over all axes but `axis`, then scales by gamma and shifts by beta.

    Statistics are the batch's in training, else the running ones. Under `record()` these become
    momentum * running + (1 - momentum) * batch in the forward pass (as in PyTorch; MXNet's CPU
    build: in backward), with the biased variance (as in Gluon; PyTorch: unbiased).
    """

    def __init__(
        self,
        axis: int = 1,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        use_global_stats: bool = False,
        beta_initializer: Source = "zeros",
        gamma_initializer: Source = "ones",
        running_mean_initializer: Source = "zeros",
        running_variance_initializer: Source = "ones",
        in_channels: int = 0,
    ):
        super().__init__()
        self._axis = axis
        self._momentum = number("BatchNorm: momentum", momentum, least=0, most=1)
        self._epsilon = number("BatchNorm: epsilon", epsilon, above=0)
        in_channels = count("BatchNorm: in_channels", in_channels, 0)
        self._use_global_stats = use_global_stats

        def parameter(name: str, init: Source, request: str) -> Parameter:
            return Parameter(name, request, (in_channels,), init=init, allow_deferred_init=True)

        self.gamma = parameter("gamma", gamma_initializer, "write" if scale else "null")
        self.beta = parameter("beta", beta_initializer, "write" if center else "null")
        self.running_mean = parameter("running_mean", running_mean_initializer, "null")
        self.running_var = parameter("running_var", running_variance_initializer, "null")

    def infer_shape(self, x: NDArray) -> None:
        for parameter in self.params.values():
            parameter.finish((x.shape[self._axis],))

    def forward(self, x: NDArray) -> NDArray:
        value, gamma, beta = x.current, self.gamma.variable.current, self.beta.variable.current
        mean, var = self.running_mean.variable, self.running_var.variable
        settings = (self._axis, self._epsilon)
        if not recorder.training or self._use_global_stats:
            inputs = [value, gamma, beta, mean.current, var.current]
            return NDArray(record(layers.batch_norm_inference, inputs, settings)[0])
        y, *batch = record(layers.batch_norm, [value, gamma, beta], settings)
        for running, new in zip((mean, var), batch, strict=True):
            blended = record(layers.blend, [running.current, new], (self._momentum,), taped=False)
            running.update(blended[0])
        return NDArray(y)

    def describe(self) -> str:
        return f"axis={self._axis}, eps={self._epsilon}, momentum={self._momentum}"
