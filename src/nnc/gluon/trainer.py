"""The trainer: gradients of parameters go into an optimizer's update, in one program."""

import numbers
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np

from nnc import kvstore as kvstores
from nnc import optimizer as optimizers
from nnc.arrays.array import NDArray
from nnc.compilation.execution import Run
from nnc.compilation.variable import Variable
from nnc.device import common_place
from nnc.dtypes import wide_dtype
from nnc.errors import DtypeError, OptionError, StaleGradientError
from nnc.gluon.atomic import Filename
from nnc.gluon.loss_scaler import LossScaler
from nnc.gluon.parameter import Parameter
from nnc.gluon.state_files import load_state, save_state
from nnc.operators import core as ops
from nnc.operators import layer as layers
from nnc.optimizer import Optimizer
from nnc.recording.graph import Memory, Scalar, Value, user_site
from nnc.recording.recorder import abandon, flush, record, recorder
from nnc.recording.slot import Slot
from nnc.runtime.device import HOST, Place


class Counted:
    """A step while it runs: an exception takes it back. A third of the time of a generator."""

    __slots__ = ("optimizer",)

    def __init__(self, optimizer: Optimizer):
        self.optimizer = optimizer

    def __enter__(self) -> None:
        self.optimizer.num_update += 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            self.optimizer.num_update -= 1


class Trainer:
    """Updates parameters with an optimizer: `sgd`, `adam`, … of `nnc.optimizer`, or an object.

    What `record()` saw, the gradients and the updates are one compiled program for each step, in
    one process: `kvstore` and what goes with it are taken for MXNet's sake.
    """

    def __init__(
        self,
        params: Mapping[str, Parameter] | Iterable[Parameter],
        optimizer: str | Optimizer,
        optimizer_params: Mapping[str, Any] | None = None,
        kvstore: object = "device",
        compression_params: Mapping[str, Any] | None = None,
        update_on_kvstore: bool | None = None,
    ):
        kvstores.check(kvstore)
        self._params = parameters_in(params)
        options: Any = {} if optimizer_params is None else optimizer_params
        if not isinstance(options, Mapping):
            raise OptionError(
                "optimizer_params: expected a dict such as {'learning_rate': 0.1}, "
                f"given {options!r}"
            )
        self._optimizer = check_rule(optimizers.create(optimizer, **options))
        self._scale = self._optimizer.rescale_grad
        self._states: dict[Parameter, list[Variable]] = {}
        self.scaler: LossScaler | None = None
        """Set by `amp.init_trainer`."""
        self.finite: NDArray | None = None
        """Whether all gradients of the last step were numbers, where the loss is scaled."""

    @property
    def optimizer(self) -> Optimizer:
        return self._optimizer

    @property
    def device(self) -> Place:
        """Where the parameters are."""
        return common_place("Trainer", [p.device for p in self._params]) or HOST

    @property
    def learning_rate(self) -> float:
        return self._optimizer.learning_rate

    def set_learning_rate(self, lr: float) -> None:
        self._optimizer.set_learning_rate(lr)

    def allreduce_grads(self) -> None:
        """Nothing to do: there is one device."""

    def step(self, batch_size: float | NDArray, ignore_stale_grad: bool = False) -> None:
        """One update with gradients divided by `batch_size`; everything recorded is computed."""
        self.run(batch_size, ignore_stale_grad)

    update = step

    def counted(self, batch_size: float | NDArray) -> "Counted":
        """One more step, unless it fails."""
        if isinstance(batch_size, NDArray):
            batch_size = batch_size.item()
        if not isinstance(batch_size, numbers.Real) or not batch_size > 0:
            raise OptionError(f"step: expected a batch_size above 0, given {batch_size!r}")
        optimizer = self._optimizer
        optimizer.rescale_grad = self._scale / batch_size
        if self.scaler is not None:
            optimizer.rescale_grad /= self.scaler.remaining
        return Counted(optimizer)

    def run(self, batch_size: float | NDArray, ignore_stale_grad: bool = False) -> list[Run]:
        """`step`, returning what was run."""
        chosen = self.fresh_parameters(ignore_stale_grad)
        try:
            with self.counted(batch_size):
                slots = self.record_updates(chosen)
                runs = flush(consumed=slots)
        except BaseException:
            abandon()
            raise
        for slot in slots:
            slot.fresh = False
        if self.finite is not None:
            self.judge(bool(self.finite))
        return runs

    def judge(self, finite: bool) -> None:
        """A step whose gradients overflowed changed nothing and does not count."""
        if not finite:
            self._optimizer.num_update -= 1
        if self.scaler is not None:
            self.scaler.update(finite)

    def scaled(self, loss: NDArray) -> NDArray:
        """The loss in float32 times the scale, which is given at each step; as it is without."""
        scaler = self.scaler
        if scaler is None:
            return loss
        wide = loss.astype(wide_dtype(loss.dtype.name), copy=False).current
        source = partial(getattr, scaler, "loss_scale")
        scale = Scalar(source(), wide.type.dtype, source, "loss_scale")
        return NDArray(record(ops.multiply, [wide, scale])[0])

    def unscale(self) -> None:
        """Divides the gradients by the scale of the loss."""
        scaler = self.scaler
        if scaler is None or scaler.unscaled:
            return
        for p in self._params:
            if p.grad_req != "null":
                grad = p.grad()
                grad *= 1 / scaler.loss_scale
        scaler.unscaled = True

    def states(self, parameter: Parameter) -> list[Variable]:
        """What is kept for a parameter, made at its first step: the optimizer's states.

        The last may be the weights in float32, of which the parameter then is a copy.
        """
        like, wide = parameter.variable, wide_dtype(parameter.dtype.name)
        if parameter not in self._states:
            self._states[parameter] = [
                Variable(f"{parameter.name}.{name}", "state", values, like.layout, like.device)
                for name, values in self.first_states(parameter).items()
            ]
        states = self._states[parameter]
        if states and states[0].dtype != wide:
            raise DtypeError(
                f"step: parameter '{parameter.name}' is {parameter.dtype} now, and what the "
                f"optimizer keeps of it is {states[0].dtype}; cast before the first step, or make "
                "a new Trainer"
            )
        return states

    def first_states(self, parameter: Parameter) -> dict[str, Memory]:
        """The states before the first step, by name."""
        like, wide = parameter.variable, wide_dtype(parameter.dtype.name)
        kept = {name: np.zeros(like.shape, wide) for name in self._optimizer.states}
        if self._optimizer.multi_precision and parameter.dtype != wide:
            kept["master"] = like.asnumpy().astype(wide)
        return kept

    def state_dict(self) -> dict[str, Any]:
        """What a later trainer needs to go on: counts, rates, and states of each parameter."""
        return {
            "optimizer": self._optimizer.state_dict(),
            "rescale_grad": self._scale,
            "loss_scaler": None if self.scaler is None else self.scaler.state_dict(),
            "parameters": [
                {"name": p.name, "states": [s.asnumpy() for s in self._states.get(p, [])]}
                for p in self._params
            ],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of a trainer of such parameters; an error changes nothing."""
        self.check_state(state)
        for parameter in self._params:
            parameter.variable.check_in_place()
        self.take_state(state)

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raises unless the state is of a trainer like this; parameters may have no data yet."""
        saved = [entry["name"] for entry in state["parameters"]]
        for there, here in zip_longest(saved, [p.name for p in self._params]):
            if there != here:
                raise OptionError(
                    f"the states are of another network: parameter {there!r} is there, where the "
                    f"trainer has {here!r}"
                )
        self._optimizer.check_state(state["optimizer"])
        if (state["loss_scaler"] is None) != (self.scaler is None):
            only = "trainer" if state["loss_scaler"] is None else "file"
            raise OptionError(
                f"only the {only} has a loss scale; amp.init_trainer(trainer) comes before loading"
            )
        for p, entry in zip(self._params, state["parameters"], strict=True):
            check_states(p, entry["states"])

    def take_state(self, state: Mapping[str, Any]) -> None:
        """`load_state_dict` after the check."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._scale = state["rescale_grad"]
        if self.scaler is not None:
            self.scaler.load_state_dict(state["loss_scaler"])
        for p, entry in zip(self._params, state["parameters"], strict=True):
            if p in self._states or entry["states"]:
                kept = entry["states"] or self.first_states(p).values()
                for variable, values in zip(self.states(p), kept, strict=True):
                    variable.set(values)

    def save_states(self, fname: Filename) -> None:
        """Write `state_dict()` to a file, which appears when it is complete."""
        save_state(fname, "trainer", self.state_dict())

    def load_states(self, fname: Filename) -> None:
        """Go on from a file of `save_states`; an error changes nothing."""
        self.load_state_dict(load_state(fname, "trainer", "Trainer.load_states"))

    def fresh_parameters(self, ignore_stale_grad: bool) -> list[Parameter]:
        """The parameters to update: those that `backward` has reached since the last step."""
        trained = [p for p in self._params if p.grad_req != "null"]
        stale = [p for p in trained if (slot := p.variable.slot) is None or not slot.fresh]
        if stale and not ignore_stale_grad:
            names = ", ".join(f"'{p.name}'" for p in stale[:5]) + ", …" * (len(stale) > 5)
            raise StaleGradientError(
                f"step: backward() has not computed a gradient of parameter {names} since the last "
                f"step; {self.way_on(trained, stale)}"
            )
        return [p for p in trained if p not in stale]

    def way_on(self, trained: list[Parameter], stale: list[Parameter]) -> str:
        """What to do about stale gradients."""
        own = {p.variable.slot for p in trained if p.initialized}
        others = [slot.name for slot in recorder.slots if slot.fresh and slot not in own]
        if others and trained == stale:
            return (
                f"it has of {others[-1]}, which this trainer does not have: the loss is of another "
                "network than the one in Trainer(net.collect_params(), …)"
            )
        return (
            "call loss.backward() first, or pass ignore_stale_grad=True to update only the others"
        )

    def record_updates(self, parameters: list[Parameter]) -> dict[Slot, None]:
        """Records the updates; returns the places of the gradients they take."""
        values: dict[Any, Any] = {}
        slots: dict[Slot, None] = {}
        site, finite = user_site(), self.all_finite(parameters)
        for p in parameters:
            variable = p.variable
            leaf = variable.current
            slot: Slot = leaf.slot
            key = (p.lr_mult, p.wd_mult, leaf.type.dtype)
            if key not in values:
                values[key] = self._optimizer.numbers(*key)
            slots[slot] = None
            states, count = self.states(p), len(self._optimizer.states)
            variables = [*(states[count:] or [variable]), *states[:count]]
            new = self._optimizer.record_update(slot.get(leaf), variables, values[key], site)
            if finite is not None:
                new = [
                    record(ops.where, [finite, value, kept.current], taped=False)[0]
                    for value, kept in zip(new, variables, strict=True)
                ]
            for changed, value in zip(variables, new, strict=True):
                changed.update(value)
            if variables[0] is not variable:
                copied = [variables[0].current], (leaf.type.dtype,)
                variable.update(record(ops.cast, *copied, taped=False)[0])
        return slots

    def all_finite(self, parameters: list[Parameter]) -> Value | None:
        """Whether no gradient overflowed, where the loss is scaled; `finite` shows it."""
        if self.scaler is None:
            return None
        leaves = [p.variable.current for p in parameters]
        grads = [leaf.slot.get(leaf) for leaf in leaves]
        [finite] = record(layers.all_finite, grads, taped=False)
        self.finite = NDArray(finite)
        return finite


def check_rule(optimizer: Optimizer) -> Optimizer:
    """The optimizer, if the compiler knows its update."""
    if not hasattr(optimizer, "rule"):
        raise OptionError(
            f"Trainer: {type(optimizer).__name__} has no rule, and an update() of one's own is not "
            "compiled: make it a subclass of an optimizer such as SGD, or change each parameter p "
            "by p.set_data(…p.data()…p.grad()…) in place of trainer.step"
        )
    return optimizer


def parameters_in(params: Any) -> list[Parameter]:
    """The parameters in a dict or a list, each once."""
    listed: Any = params.values() if isinstance(params, Mapping) else params
    if not isinstance(listed, Iterable):
        listed = [params]
    parameters = list(dict.fromkeys(map(check_parameter, listed)))
    if not parameters:
        raise OptionError(
            "Trainer: there are no parameters; are the layers attributes of the network?"
        )
    return parameters


def check_parameter(given: object) -> Parameter:
    if not isinstance(given, Parameter):
        raise OptionError(
            f"Trainer: expected parameters, given {type(given).__name__}; pass net.collect_params()"
        )
    return given


def check_states(parameter: Parameter, states: list[Memory]) -> None:
    """Raises unless the states have the parameter's shape, in the dtype that states have."""
    wide = wide_dtype(parameter.dtype.name)
    for values in states:
        parameter.check_shape(values.shape)
        if values.dtype != wide:
            raise DtypeError(
                f"the states of parameter '{parameter.name}' are {values.dtype}, expected {wide}; "
                "cast the network before loading"
            )
