"""Adam and what was made of it: a mean of gradients over the root of a mean of their squares."""

from typing import Any

from nnc.optimizer.base import Optimizer, Source, register


class Moments(Optimizer):
    """Keeps `m = beta1 m + (1 - beta1) g` and `v = beta2 v + (1 - beta2) g²`.

    Both begin at 0, which `1 / (1 - beta^t)` corrects at step t.
    """

    beta1: float
    beta2: float

    def __init__(
        self, learning_rate: float, beta1: float, beta2: float, epsilon: float, **options: Any
    ):
        super().__init__(learning_rate, **options)
        self.take(beta1=beta1, beta2=beta2, epsilon=epsilon)
        self.corrects = True

    def correction(self, beta: float) -> float:
        """The factor of a mean at this step."""
        return 1.0 / (1.0 - beta**self.num_update) if self.corrects else 1.0

    def corrections(self) -> dict[str, Source]:
        return {
            "correction1": lambda: self.correction(self.beta1),
            "correction2": lambda: self.correction(self.beta2),
        }


@register
class Adam(Moments):
    """`w -= lr m̂ / (sqrt(v̂) + epsilon)`, m̂ = m / (1 - beta1^t), v̂ = v / (1 - beta2^t).

    The textbook form, as in PyTorch. MXNet 1.9 folds the correction into the rate and does not
    rescale epsilon, which differs near zero gradients only.
    """

    rule = "adam"

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        lazy_update: bool = False,
        use_fused_step: bool = True,
        **options: Any,
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon, **options)


@register
class AdaBelief(Moments):
    """Adam with `v = beta2 v + (1 - beta2) (g - m)² + epsilon`, as published.

    From MXNet 2.0, which folds the correction into the rate and does not rescale epsilon.
    """

    rule = "adabelief"

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        correct_bias: bool = True,
        use_fused_step: bool = True,
        **options: Any,
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon, **options)
        self.corrects = correct_bias


@register
class AdamW(Moments):
    """`w -= lr (m̂ / (sqrt(v̂) + epsilon) + wd w)`: the weights decay, not the gradient.

    As in PyTorch, whose epsilon is 1e-8. MXNet 2.0 decays by the corrected rate, after the rest.
    """

    rule = "adamw"

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        correct_bias: bool = True,
        use_fused_step: bool = True,
        **options: Any,
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon, **options)
        self.corrects = correct_bias


@register
class Adamax(Moments):
    """`u = max(beta2 u, |g|), w -= lr m̂ / (u + epsilon)`.

    With an epsilon as in MXNet 2.0; PyTorch adds it to |g|, and 1.9, without, divides 0 by 0.
    """

    rule = "adamax"

    def __init__(
        self,
        learning_rate: float = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        use_fused_step: bool = False,
        **options: Any,
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon, **options)


@register
class Nadam(Moments):
    """Adam with Nesterov's momentum: `w -= lr m̄ / (sqrt(v̂) + epsilon)`.

    m̄ = (1 - μ(t)) / (1 - P(t)) g + μ(t + 1) / (1 - P(t + 1)) m for the momenta
    μ(t) = beta1 (1 - 0.96^(t schedule_decay) / 2) and P(t), the product of the first t. As in
    PyTorch; MXNet multiplies P once for each parameter, nnc once at each step.
    """

    rule = "nadam"
    schedule_decay: float

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        schedule_decay: float = 0.004,
        use_fused_step: bool = False,
        **options: Any,
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon, **options)
        self.take(schedule_decay=schedule_decay)
        self._product = (0, 1.0)
        """A step and the product of momenta up to it: the next ones are found from there."""

    def momentum(self, step: int) -> float:
        return self.beta1 * (1.0 - 0.5 * 0.96 ** (step * self.schedule_decay))

    def product(self, step: int) -> float:
        """The product of the momenta of the first steps."""
        known, product = self._product if self._product[0] <= step else (0, 1.0)
        for each in range(known + 1, step + 1):
            product *= self.momentum(each)
        self._product = step, product
        return product

    def corrections(self) -> dict[str, Source]:
        return {
            **super().corrections(),
            "gradient_weight": self.gradient_weight,
            "mean_weight": self.mean_weight,
        }

    def gradient_weight(self) -> float:
        return (1.0 - self.momentum(self.num_update)) / (1.0 - self.product(self.num_update))

    def mean_weight(self) -> float:
        following = self.momentum(self.num_update + 1)
        return following / (1.0 - self.product(self.num_update) * following)


@register
class LAMB(Moments):
    """`w -= lr |w| / |d| d` for `d = m̂ / (sqrt(v̂) + epsilon) + wd w`, of each parameter.

    |w| is held between the bounds, if given; the ratio is 1 where a norm is 0.
    """

    rule = "lamb"

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        lower_bound: float | None = None,
        upper_bound: float | None = None,
        bias_correction: bool = True,
        aggregate_num: int = 4,
        use_fused_step: bool = True,
        **options: Any,
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon, **options)
        self.corrects = bias_correction
        bounds = {"lower_bound": lower_bound, "upper_bound": upper_bound}
        self.take(**{name: bound for name, bound in bounds.items() if bound is not None})


@register
class LANS(LAMB):
    """`w -= lr |w| (beta1 d / |d| + (1 - beta1) c / |c|)` of each parameter.

    The gradient g is divided by its norm, so that `rescale_grad` counts for nothing; d is
    `m̂ / (sqrt(v̂) + epsilon) + wd w`, and c the same with g for m̂. |w| is held between the bounds,
    if given. From MXNet 2.0, whose steps one by one read w for c after d has changed it.
    """

    rule = "lans"

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        lower_bound: float | None = None,
        upper_bound: float | None = None,
        aggregate_num: int = 4,
        use_fused_step: bool = True,
        **options: Any,
    ):
        bounds = lower_bound, upper_bound
        super().__init__(learning_rate, beta1, beta2, epsilon, *bounds, **options)
