"""Optimizers: what to keep for each parameter, and which update to record.

Defaults and formulas as in MXNet 2.0; `rescale_grad`, learning rate and weight decay are given
to the program at each step. Weight decay counts for every parameter unless its `wd_mult` says
otherwise.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from nnc import layer_operators as layers
from nnc.checks import chosen, count, number
from nnc.errors import OptionError
from nnc.graph import Attributes, Operation, Scalar, Site, Value
from nnc.lowering.pass_specs import did_you_mean
from nnc.recorder import record
from nnc.variable import Variable

Schedule = Callable[[int], float]
Source = Callable[[], float]


class Optimizer:
    """Base of optimizers. `num_update` counts the steps from 1."""

    operation: Operation
    states: tuple[str, ...] = ()
    """What is kept for each parameter, zero at first."""

    def __init__(
        self,
        learning_rate: float | None = None,
        *,
        wd: float = 0.0,
        rescale_grad: float = 1.0,
        clip_gradient: float | None = None,
        lr_scheduler: Schedule | None = None,
        begin_num_update: int = 0,
        **unused: Any,
    ):
        check_unused(type(self), unused)
        if lr_scheduler is not None and not callable(lr_scheduler):
            raise OptionError(f"lr_scheduler: expected a function, given {lr_scheduler!r}")
        self.lr_scheduler = lr_scheduler
        self.wd = number("wd", wd, least=0)
        self.rescale_grad = number("rescale_grad", rescale_grad)
        self.clip_gradient = (
            None if clip_gradient is None else number("clip_gradient", clip_gradient, above=0)
        )
        self.num_update = count("begin_num_update", begin_num_update, 0)
        self._learning_rate = rate(0.01 if learning_rate is None else learning_rate)

    @property
    def learning_rate(self) -> float:
        if self.lr_scheduler is not None:
            return rate(self.lr_scheduler(self.num_update))
        return self._learning_rate

    def set_learning_rate(self, lr: float) -> None:
        if self.lr_scheduler is not None:
            raise OptionError("the learning rate comes from lr_scheduler; it cannot be set as well")
        self._learning_rate = rate(lr)

    def constants(self) -> Attributes:
        """The numbers that are part of the program: pairs of name and value."""
        return ()

    def corrections(self) -> "dict[str, Source]":
        """More numbers given at each step, after learning rate, weight decay and rescaling."""
        return {}

    def numbers(self, lr_mult: float, wd_mult: float, dtype: str) -> list[Scalar]:
        """The numbers of the coming step for parameters of these multipliers and dtype."""
        sources: dict[str, Source] = {
            "learning_rate": lambda: self.learning_rate * lr_mult,
            "wd": lambda: self.wd * wd_mult,
            "rescale_grad": lambda: self.rescale_grad,
            **self.corrections(),
        }
        if self.clip_gradient is not None:
            sources["clip_gradient"] = lambda: self.clip_gradient or 0.0
        return [Scalar(source(), dtype, source, name) for name, source in sources.items()]

    def record_update(
        self,
        grad: Value,
        param: Variable,
        states: "list[Variable]",
        numbers: "list[Scalar]",
        site: Site | None = None,
    ) -> None:
        """Record the update of one parameter and its state."""
        variables = [param, *states]
        inputs = [grad, *[v.current for v in variables], *numbers]
        attributes = (self.clip_gradient is not None, self.constants())
        types = tuple([v.current.type for v in variables])
        new = record(self.operation, inputs, attributes, types=types, taped=False, site=site)
        for variable, value in zip(variables, new, strict=True):
            variable.update(value)


class SGD(Optimizer):
    """`w -= lr g`, or with momentum `s = momentum s - lr g, w += s`; g includes weight decay."""

    def __init__(
        self,
        learning_rate: float = 0.1,
        momentum: float = 0.0,
        lazy_update: bool = False,
        multi_precision: bool = False,
        use_fused_step: bool = True,
        aggregate_num: int = 1,
        **options: Any,
    ):
        super().__init__(learning_rate, **options)
        self.momentum = momentum = decay("SGD: momentum", momentum)
        self.operation = layers.momentum_update if momentum else layers.sgd_update
        self.states = ("momentum",) if momentum else ()

    def constants(self) -> Attributes:
        return (("momentum", self.momentum),) if self.momentum else ()


class NAG(Optimizer):
    """Nesterov's: `s = momentum s - lr g, w += momentum s - lr g`."""

    operation = layers.nag_update
    states = ("momentum",)

    def __init__(
        self,
        learning_rate: float = 0.1,
        momentum: float = 0.9,
        multi_precision: bool = False,
        use_fused_step: bool = True,
        **options: Any,
    ):
        super().__init__(learning_rate, **options)
        self.momentum = decay("NAG: momentum", momentum)

    def constants(self) -> Attributes:
        return (("momentum", self.momentum),)


class Adam(Optimizer):
    """`w -= lr m̂ / (sqrt(v̂) + epsilon)`, m̂ = m / (1 - beta1^t), v̂ = v / (1 - beta2^t).

    The textbook form, as in PyTorch. MXNet 1.9 folds the correction into the rate and does not
    rescale epsilon, which differs near zero gradients only.
    """

    operation = layers.adam_update
    states = ("mean", "variance")

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
        super().__init__(learning_rate, **options)
        self.beta1, self.beta2 = decay("Adam: beta1", beta1), decay("Adam: beta2", beta2)
        self.epsilon = number("Adam: epsilon", epsilon, above=0)

    def constants(self) -> Attributes:
        return (("beta1", self.beta1), ("beta2", self.beta2), ("epsilon", self.epsilon))

    def corrections(self) -> dict[str, Source]:
        return {
            "correction1": lambda: 1.0 / (1.0 - self.beta1**self.num_update),
            "correction2": lambda: 1.0 / (1.0 - self.beta2**self.num_update),
        }


class RMSProp(Optimizer):
    """`n = rho n + (1 - rho) g², w -= lr g / (sqrt(n) + epsilon)`.

    Epsilon is outside the root as in MXNet 2.0 and PyTorch. `centered` subtracts the squared mean
    of g, takes epsilon inside the root, and has a momentum.
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
        super().__init__(learning_rate, **options)
        if clip_weights is not None:
            raise OptionError("RMSProp: clip_weights is not supported; clip after step()")
        self.rho, self.momentum = decay("RMSProp: rho", rho), decay("RMSProp: momentum", momentum)
        self.epsilon = number("RMSProp: epsilon", epsilon, above=0)
        self.centered = centered
        self.operation = layers.rmsprop_centered_update if centered else layers.rmsprop_update
        self.states = ("square", "mean", "delta") if centered else ("square",)

    def constants(self) -> Attributes:
        momentum = (("momentum", self.momentum),) if self.centered else ()
        return (("rho", self.rho), *momentum, ("epsilon", self.epsilon))


NAMED: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "nag": NAG,
    "adam": Adam,
    "rmsprop": RMSProp,
}


def create(name: "str | Optimizer", **options: Any) -> Optimizer:
    """The optimizer called `name` with these options."""
    if isinstance(name, Optimizer):
        if options:
            raise OptionError("optimizer_params go with the name of an optimizer, not an object")
        return name
    return NAMED[chosen("optimizer", str(name).lower(), NAMED)](**options)


def rate(given: object) -> float:
    """A learning rate."""
    return number("learning_rate", given, least=0)


def decay(what: str, given: object) -> float:
    """How much is kept of an average that moves on at each step."""
    return number(what, given, least=0, below=1)


def check_unused(kind: type[Optimizer], unused: Mapping[str, Any]) -> None:
    """Options nobody took are mistakes."""
    for name in unused:
        known = sorted(set(itertools.chain(*map(option_names, kind.__mro__))))
        raise OptionError(f"{kind.__name__} has no option '{name}'; {did_you_mean(name, known)}")


def option_names(kind: type) -> list[str]:
    code = getattr(vars(kind).get("__init__"), "__code__", None)
    if code is None:
        return []
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [name for name in names if name != "self"]
