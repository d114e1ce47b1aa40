"""Optimizers that divide by what gradients have been so far."""

from typing import Any

from nnc.errors import OptionError
from nnc.optimizer.adam import Moments
from nnc.optimizer.base import Optimizer, register


@register
class RMSProp(Optimizer):
    """`n = rho n + (1 - rho) g², w -= lr g / (sqrt(n) + epsilon)`.

    Epsilon is outside the root as in MXNet 2.0 and PyTorch. `centered` subtracts the squared mean
    of g, takes epsilon inside the root, and has a momentum. MXNet 1.x calls `rho` and `momentum`
    gamma1 and gamma2, which are taken, too.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.9,
        epsilon: float = 1e-8,
        centered: bool = False,
        clip_weights: float | None = None,
        use_fused_step: bool = True,
        **options: Any,
    ):
        rho, momentum = options.pop("gamma1", rho), options.pop("gamma2", momentum)
        super().__init__(learning_rate, **options)
        if clip_weights is not None:
            raise OptionError("RMSProp: clip_weights is not supported; clip after step()")
        self.take(rho=rho, momentum=momentum, epsilon=epsilon)
        self.centered = centered
        self.rule = "rmsprop_centered" if centered else "rmsprop"


@register
class AdaGrad(Optimizer):
    """`h += g², w -= lr g / (sqrt(h) + epsilon)`.

    Weight decay in g and epsilon outside the root as in MXNet 2.0 and PyTorch; in 1.9 the decay is
    outside of the quotient, and epsilon, 1e-7, inside the root; there it is called eps, which is
    taken, too.
    """

    rule = "adagrad"

    def __init__(
        self,
        learning_rate: float = 0.01,
        epsilon: float = 1e-6,
        use_fused_step: bool = True,
        **options: Any,
    ):
        epsilon = options.pop("eps", epsilon)
        super().__init__(learning_rate, **options)
        self.take(epsilon=epsilon)


@register
class AdaDelta(Optimizer):
    """`d = g sqrt(a + epsilon) / sqrt(n + epsilon), w -= lr d`; n, a are means of g² and d².

    A rate of 1, weight decay in g and an epsilon of 1e-6 as in MXNet 2.0 and PyTorch; 1.9 has no
    rate, decays outside of d, and an epsilon of 1e-5.
    """

    rule = "adadelta"

    def __init__(
        self,
        learning_rate: float = 1.0,
        rho: float = 0.9,
        epsilon: float = 1e-6,
        use_fused_step: bool = False,
        **options: Any,
    ):
        super().__init__(learning_rate, **options)
        self.take(rho=rho, epsilon=epsilon)


@register
class Ftrl(Optimizer):
    """`z += g - (sqrt(n + g²) - sqrt(n)) / lr w, n += g²`; weights of |z| <= lamda1 are 0.

    The others are `(sign(z) lamda1 - z) / ((beta + sqrt(n)) / lr + wd)`. Weight decay is in the
    denominator only, and the rate must not be 0. Arguments in the order of MXNet 2.0.
    """

    rule = "ftrl"

    def __init__(
        self,
        learning_rate: float = 0.1,
        lamda1: float = 0.01,
        beta: float = 1.0,
        use_fused_step: bool = True,
        **options: Any,
    ):
        super().__init__(learning_rate, **options)
        self.take(lamda1=lamda1, beta=beta)


@register
class FTML(Moments):
    """`z = beta1 z + (1 - beta1) g - (d' - beta1 d) w, w = -z / d'`.

    d' = (1 - beta1^t) / lr (sqrt(v̂) + epsilon), where v̂ is as in Adam. The rate must not be 0.
    """

    rule = "ftml"

    def __init__(
        self,
        learning_rate: float = 0.0025,
        beta1: float = 0.6,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        use_fused_step: bool = True,
        **options: Any,
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon, **options)
