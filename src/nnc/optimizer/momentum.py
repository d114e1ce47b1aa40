"""Optimizers that go along the gradient, or along a running sum of gradients."""

from typing import Any

from nnc.optimizer.base import Optimizer, register


@register
class SGD(Optimizer):
    """`w -= lr g`, or with momentum `s = momentum s - lr g, w += s`; g includes weight decay."""

    def __init__(
        self,
        learning_rate: float = 0.1,
        momentum: float = 0.0,
        lazy_update: bool = False,
        use_fused_step: bool = True,
        aggregate_num: int = 1,
        **options: Any,
    ):
        super().__init__(learning_rate, **options)
        self.take(momentum=momentum)
        self.rule = "momentum" if momentum else "sgd"


@register
class NAG(Optimizer):
    """Nesterov's: `s = momentum s - lr g, w += momentum s - lr g`; g includes weight decay.

    Learning rate and momentum as in MXNet 2.0; 1.9 begins without momentum.
    """

    rule = "nag"

    def __init__(
        self,
        learning_rate: float = 0.1,
        momentum: float = 0.9,
        use_fused_step: bool = True,
        **options: Any,
    ):
        super().__init__(learning_rate, **options)
        self.take(momentum=momentum)


@register
class Signum(Optimizer):
    """`s = momentum s - (1 - momentum) g, w = (1 - lr wd_lh) w + lr sign(s)`.

    `wd` counts in g, before the sign is taken, also without momentum, where MXNet decays the
    weights by `lr wd`; `wd_lh` decays them directly.
    """

    rule = "signum"

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.9,
        wd_lh: float = 0.0,
        use_fused_step: bool = True,
        **options: Any,
    ):
        super().__init__(learning_rate, **options)
        self.take(momentum=momentum, wd_lh=wd_lh)


@register
class LARS(Optimizer):
    """SGD with momentum, its rate times `eta |w| / (|g| + wd |w| + epsilon)` for each parameter.

    The rate is as given where a norm is 0. The norm of the gradient is that before clipping, as in
    MXNet 2.0. All parameters are scaled, biases too.
    """

    rule = "lars"

    def __init__(
        self,
        learning_rate: float = 0.1,
        momentum: float = 0.0,
        eta: float = 0.001,
        epsilon: float = 1e-8,
        lazy_update: bool = False,
        use_fused_step: bool = True,
        aggregate_num: int = 1,
        **options: Any,
    ):
        super().__init__(learning_rate, **options)
        self.take(momentum=momentum, eta=eta, epsilon=epsilon)
