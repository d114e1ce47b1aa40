"""Normalization."""

from typing import Any

from nnc.array_functions import layer as functions
from nnc.arrays.array import NDArray
from nnc.checks import axis_of, count, number
from nnc.dtypes import dtype_name, wide_dtype
from nnc.errors import OptionError
from nnc.gluon.block import HybridBlock
from nnc.gluon.nn.basic import Source
from nnc.gluon.parameter import Parameter
from nnc.operators import norm as norms
from nnc.recording.graph import Operation
from nnc.recording.recorder import record


class Norm(HybridBlock):
    """What scales by gamma and shifts by beta along one axis; not learned where not asked for."""

    def __init__(
        self,
        axis: int,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Source,
        gamma_initializer: Source,
        in_channels: int,
    ):
        super().__init__()
        self._axis = axis
        name = type(self).__name__
        self._epsilon = number(f"{name}: epsilon", epsilon, above=0)
        self._channels = count(f"{name}: in_channels", in_channels, 0)
        self.gamma = self.parameter("gamma", gamma_initializer, "write" if scale else "null")
        self.beta = self.parameter("beta", beta_initializer, "write" if center else "null")

    def parameter(self, name: str, init: Source, request: str) -> Parameter:
        """A parameter with a number for each place along the axis."""
        return Parameter(
            name, request, (self._channels,), init=init, allow_deferred_init=True,
            differentiable=request != "null",
        )  # fmt: skip

    def infer_shape(self, x: NDArray) -> None:
        axis = axis_of(type(self).__name__, self._axis, x.ndim)
        for parameter in self.params.values():
            parameter.finish((x.shape[axis],))

    def normalize(self, operation: Operation, x: NDArray, *settings: Any) -> NDArray:
        """The operation on `x`, gamma and beta."""
        inputs = [x.current, self.gamma.variable.current, self.beta.variable.current]
        return NDArray(record(operation, inputs, (*settings, self._epsilon))[0])

    def describe(self) -> str:
        return f"axis={self._axis}, {self.settings()}"

    def settings(self) -> str:
        """What all norms are told."""
        [channels] = self.gamma.shape or (0,)
        learned = f"center={self.beta.differentiable}, scale={self.gamma.differentiable}"
        return f"eps={self._epsilon}, {learned}, in_channels={channels or None}"


class LayerNorm(Norm):
    """Normalizes along `axis`, then scales by gamma and shifts by beta."""

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Source = "zeros",
        gamma_initializer: Source = "ones",
        in_channels: int = 0,
    ):
        initializers = beta_initializer, gamma_initializer
        super().__init__(axis, epsilon, center, scale, *initializers, in_channels)

    def forward(self, x: NDArray) -> NDArray:
        return self.normalize(norms.layer_norm, x, self._axis)


class GroupNorm(Norm):
    """Normalizes groups of channels, axis 1, of each sample with all axes behind.

    Gamma and beta have a number for each channel, as in Gluon 2 and PyTorch (Gluon 1: each group).
    """

    def __init__(
        self,
        num_groups: int = 1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Source = "zeros",
        gamma_initializer: Source = "ones",
        in_channels: int = 0,
    ):
        initializers = beta_initializer, gamma_initializer
        super().__init__(1, epsilon, center, scale, *initializers, in_channels)
        self._groups = count("GroupNorm: num_groups", num_groups)

    def forward(self, x: NDArray) -> NDArray:
        return self.normalize(norms.group_norm, x, self._groups)

    def describe(self) -> str:
        return f"num_groups={self._groups}, {self.settings()}"


class InstanceNorm(Norm):
    """Normalizes each channel of each sample, over all axes but the first and `axis`.

    Gamma is not learned unless asked for.
    """

    def __init__(
        self,
        axis: int = 1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = False,
        beta_initializer: Source = "zeros",
        gamma_initializer: Source = "ones",
        in_channels: int = 0,
    ):
        initializers = beta_initializer, gamma_initializer
        super().__init__(axis, epsilon, center, scale, *initializers, in_channels)

    def forward(self, x: NDArray) -> NDArray:
        return self.normalize(norms.instance_norm, x, self._axis)


class BatchNorm(Norm):
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
        initializers = beta_initializer, gamma_initializer
        super().__init__(axis, epsilon, center, scale, *initializers, in_channels)
        self._momentum = number("BatchNorm: momentum", momentum, least=0, most=1)
        self._use_global_stats = use_global_stats
        self.running_mean = self.parameter("running_mean", running_mean_initializer, "null")
        self.running_var = self.parameter("running_var", running_variance_initializer, "null")

    def forward(self, x: NDArray) -> NDArray:
        given = self.gamma, self.beta, self.running_mean, self.running_var
        return functions.batch_norm(
            x,
            *[parameter.variable for parameter in given],
            eps=self._epsilon,
            momentum=self._momentum,
            fix_gamma=False,
            use_global_stats=self._use_global_stats,
            axis=self._axis,
        )

    def cast(self, dtype: object) -> None:
        """Change the dtype of the parameters, but not to half precision."""
        super().cast(wide_dtype(dtype_name(dtype)))

    def describe(self) -> str:
        rest = f"use_global_stats={self._use_global_stats}, {self.settings()}"
        return f"axis={self._axis}, momentum={self._momentum}, {rest}"


class BatchNormReLU(BatchNorm):
    """`BatchNorm`, then relu."""

    def forward(self, x: NDArray) -> NDArray:
        return super().forward(x).relu()


class SyncBatchNorm(BatchNorm):
    """`BatchNorm` over the batches of all devices; a network lives on one, so over its own."""

    def __init__(
        self,
        in_channels: int = 0,
        num_devices: int | None = None,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        use_global_stats: bool = False,
        beta_initializer: Source = "zeros",
        gamma_initializer: Source = "ones",
        running_mean_initializer: Source = "zeros",
        running_variance_initializer: Source = "ones",
    ):
        if num_devices not in (None, 1):
            raise OptionError(f"SyncBatchNorm: a network lives on one device, given {num_devices}")
        settings = 1, momentum, epsilon, center, scale, use_global_stats
        initializers = beta_initializer, gamma_initializer
        running = running_mean_initializer, running_variance_initializer
        super().__init__(*settings, *initializers, *running, in_channels)
