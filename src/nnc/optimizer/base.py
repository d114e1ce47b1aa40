"""What all optimizers share: the numbers of a step, multipliers, state, and names."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from nnc.arrays.array import NDArray, array
from nnc.checks import chosen, count, number
from nnc.dialects.optim.rules import RULES
from nnc.dtypes import wide_dtype
from nnc.errors import OptionError
from nnc.lowering.pass_specs import did_you_mean
from nnc.lr_scheduler import LRScheduler
from nnc.operators.layer import UPDATES
from nnc.recording.graph import Attributes, Scalar, Site, Value
from nnc.recording.recorder import record

Schedule = Callable[[int], float]
Source = Callable[[], float]
State = Sequence[NDArray]

POSITIVE, NOT_NEGATIVE = {"above": 0.0}, {"least": 0.0}
SHARE = {"least": 0.0, "below": 1.0}
"""How much is kept of a mean that moves on at each step."""
BOUNDS = {
    "beta": NOT_NEGATIVE,
    "beta1": SHARE,
    "beta2": SHARE,
    "epsilon": POSITIVE,
    "eta": POSITIVE,
    "lamda1": NOT_NEGATIVE,
    "lower_bound": NOT_NEGATIVE,
    "momentum": SHARE,
    "rho": SHARE,
    "schedule_decay": NOT_NEGATIVE,
    "upper_bound": POSITIVE,
    "wd_lh": NOT_NEGATIVE,
}
"""What the constants of updates may be."""
CHANGING = ("num_update", "begin_num_update", "_learning_rate", "wd", "clip_gradient")
"""The attributes that may change at any step; `rescale_grad` is set anew at each."""
PLAIN = (str, int, float, list, tuple)


class Optimizer:
    """Base of optimizers. `num_update` counts the steps from 1.

    Learning rate, weight decay, `rescale_grad` and the value of `clip_gradient` may change at any
    step; what else an optimizer is given is part of the program. A subclass has a `rule` of
    `nnc.dialects.optim.rules`, and its constants as attributes.
    """

    rule: str

    def __init__(
        self,
        learning_rate: float | None = None,
        *,
        wd: float = 0.0,
        rescale_grad: float = 1.0,
        clip_gradient: float | None = None,
        lr_scheduler: Schedule | None = None,
        begin_num_update: int = 0,
        multi_precision: bool = False,
        **unused: Any,
    ):
        check_unused(type(self), unused)
        if lr_scheduler is not None and not callable(lr_scheduler):
            raise OptionError(f"lr_scheduler: expected a function, given {lr_scheduler!r}")
        self.lr_scheduler = lr_scheduler
        self.multi_precision = multi_precision
        """Whether `Trainer` keeps weights of half precision in float32, too."""
        self.wd = number("wd", wd, least=0)
        self.rescale_grad = number("rescale_grad", rescale_grad)
        self.clip_gradient = (
            None if clip_gradient is None else number("clip_gradient", clip_gradient, above=0)
        )
        self.num_update = self.begin_num_update = count("begin_num_update", begin_num_update, 0)
        self.lr_mult: dict[Any, float] = {}
        self.wd_mult: dict[Any, float] = {}
        self._learning_rate = rate(0.01 if learning_rate is None else learning_rate)
        self._counts: Counter[Any] = Counter()

    @property
    def learning_rate(self) -> float:
        if self.lr_scheduler is not None:
            return rate(self.lr_scheduler(self.num_update))
        return self._learning_rate

    def set_learning_rate(self, lr: float) -> None:
        if self.lr_scheduler is not None:
            raise OptionError("the learning rate comes from lr_scheduler; it cannot be set as well")
        self._learning_rate = rate(lr)

    def set_lr_mult(self, args_lr_mult: Mapping[Any, float]) -> None:
        """Factors of the learning rate, by the index given to `update`."""
        self.lr_mult = dict(args_lr_mult)

    def set_wd_mult(self, args_wd_mult: Mapping[Any, float]) -> None:
        """Factors of the weight decay, by the index given to `update`."""
        self.wd_mult = dict(args_wd_mult)

    def take(self, **settings: float) -> None:
        """Keeps numbers as attributes, if they are what their names ask for."""
        for name, given in settings.items():
            setattr(self, name, number(f"{type(self).__name__}: {name}", given, **BOUNDS[name]))

    @property
    def states(self) -> tuple[str, ...]:
        """What is kept for each parameter, zero at first."""
        return RULES[self.rule].states

    def constants(self) -> Attributes:
        """The numbers that are part of the program: pairs of name and value.

        A constant that is no attribute has the rule's default.
        """
        kept = vars(self)
        return tuple((name, kept[name]) for name in RULES[self.rule].constants if name in kept)

    def corrections(self) -> dict[str, Source]:
        """More numbers given at each step, by the names that the rule has for them."""
        return {}

    def numbers(self, lr_mult: float, wd_mult: float, dtype: str) -> list[Scalar]:
        """The numbers of the coming step for parameters of these multipliers and dtype."""
        sources: dict[str, Source] = {
            "lr": lambda: self.learning_rate * lr_mult,
            "wd": lambda: self.wd * wd_mult,
            "rescale": lambda: self.rescale_grad,
            "clip": lambda: self.clip_gradient or 0.0,
            **self.corrections(),
        }
        clip = () if self.clip_gradient is None else ("clip",)
        names = (*RULES[self.rule].scalars, *clip)
        wide = wide_dtype(dtype)
        return [Scalar(sources[name](), wide, sources[name], name) for name in names]

    def record_update(
        self,
        grad: Value,
        arrays: Sequence[NDArray],
        numbers: list[Scalar],
        site: Site | None = None,
    ) -> list[Value]:
        """The recorded new values of a parameter and of its state."""
        inputs = [grad, *[a.current for a in arrays], *numbers]
        attributes = (self.clip_gradient is not None, self.constants())
        types = tuple([a.current.type for a in arrays])
        return record(UPDATES[self.rule], inputs, attributes, types=types, taped=False, site=site)

    def create_state(self, index: Any, weight: NDArray) -> State:
        """What is kept for a weight, zeros at first."""
        wide = wide_dtype(weight.dtype.name)
        return [array(np.zeros(weight.shape), wide, weight.device) for _ in self.states]

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """Changes a weight and its state in place; with lists, each of them.

        `Trainer.step` does this for all parameters. The index counts the updates of the weight,
        and names its multipliers.
        """
        if isinstance(index, list | tuple):
            for each in zip(index, weight, grad, state, strict=True):
                self.update(*each)
            return
        self._counts[index] += 1
        self.num_update = max(self.num_update, self.begin_num_update + self._counts[index])
        lr_mult, wd_mult = self.lr_mult.get(index, 1.0), self.wd_mult.get(index, 1.0)
        numbers = self.numbers(lr_mult, wd_mult, weight.dtype.name)
        arrays = [weight, *state]
        for changed, value in zip(
            arrays, self.record_update(grad.current, arrays, numbers), strict=True
        ):
            changed.assign(value)

    def state_dict(self) -> dict[str, Any]:
        """What changes during training, and the constants, which must be those of a later one."""
        return {
            "kind": type(self).__name__,
            "constants": {
                **dict(self.constants()),
                "states": list(self.states),
                "multi_precision": self.multi_precision,
                "clips": self.clip_gradient is not None,
                "lr_scheduler": kind_of(self.lr_scheduler),
            },
            "numbers": {name: getattr(self, name) for name in CHANGING},
            "schedule": schedule_state(self.lr_scheduler),
            "counts": [list(pair) for pair in self._counts.items()],
        }

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raises unless the state is of an optimizer like this."""
        own = self.state_dict()
        if state["kind"] != own["kind"]:
            raise OptionError(f"the states are of {state['kind']}, the optimizer is {own['kind']}")
        for name, value in own["constants"].items():
            saved = state["constants"].get(name)
            if saved != value:
                raise OptionError(
                    f"the states are of {own['kind']} with {name}={saved!r}, the optimizer has "
                    f"{value!r}; make it with the same options"
                )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; its learning rate, weight decay and bounds count from now on."""
        self.check_state(state)
        for name in CHANGING:
            setattr(self, name, state["numbers"][name])
        if state["schedule"]:
            vars(self.lr_scheduler).update(state["schedule"])
        self._counts = Counter(dict(state["counts"]))

    create_state_multi_precision = create_state
    update_multi_precision = update


class Updater:
    """Updates weights with an optimizer, and keeps the state of each."""

    def __init__(self, optimizer: Optimizer):
        self.optimizer = optimizer
        self.states: dict[Any, State] = {}

    def __call__(self, index: Any, grad: NDArray, weight: NDArray) -> None:
        if index not in self.states:
            self.states[index] = self.optimizer.create_state(index, weight)
        self.optimizer.update(index, weight, grad, self.states[index])


def get_updater(optimizer: Optimizer) -> Updater:
    """A function of an index, a gradient and a weight, which it updates."""
    return Updater(optimizer)


OptimizerT = TypeVar("OptimizerT", bound=Optimizer)
NAMED: dict[str, type[Optimizer]] = {}


def register(klass: type[OptimizerT]) -> type[OptimizerT]:
    """Make an optimizer known to `create` and `Trainer` by the name of its class."""
    NAMED[klass.__name__.lower()] = klass
    return klass


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


def kind_of(schedule: Schedule | None) -> str | None:
    """The name of a schedule's class."""
    return None if schedule is None else type(schedule).__name__


def schedule_state(schedule: Schedule | None) -> dict[str, Any]:
    """The numbers of a scheduler; a function has none."""
    kept = vars(schedule) if isinstance(schedule, LRScheduler) else {}
    return {name: value for name, value in kept.items() if isinstance(value, PLAIN)}


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
