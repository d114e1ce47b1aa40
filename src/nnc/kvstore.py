"""Key-value stores: named arrays that gradients are pushed to and weights pulled from.

`Trainer` does without one: its updates are part of the compiled step. A store is for programs that
were written with it. There is one process; sums are made on the device of the value.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from nnc import autograd
from nnc.arrays.array import NDArray, array, arrays_in
from nnc.checks import chosen, function
from nnc.errors import OptionError, ShapeError
from nnc.lowering.pass_specs import did_you_mean
from nnc.optimizer import Optimizer, Updater, get_updater

Key = Any
"""A number or a text, or a list of them."""
Values = Any
"""An array; a list of arrays; for a list of keys, a list of either."""
Update = Callable[[Any, NDArray, NDArray], Any]

ONE_PROCESS = ("local", "device", "nccl")
SEVERAL_PROCESSES = ("dist", "horovod", "byteps", "p3")


class KVStoreBase(ABC):
    """What a store must offer. `register` makes a class of your own known to `create`."""

    OPTIMIZER = "optimizer"
    kv_registry: dict[str, "type[KVStoreBase]"] = {}

    @abstractmethod
    def broadcast(self, key: Key, value: Values, out: Values, priority: int = 0) -> None:
        """Keep a value and copy it to `out`."""

    @abstractmethod
    def pushpull(self, key: Key, value: Values, out: Values = None, priority: int = 0) -> None:
        """Push `value`, then pull into `out`, or into `value` again."""

    @abstractmethod
    def is_capable(self, capability: str) -> bool:
        """Whether the store can do this; "optimizer" is the one capability there is."""

    @property
    def rank(self) -> int:
        """Which of the processes this is: 0, the only one."""
        return 0

    @property
    def num_workers(self) -> int:
        """How many processes there are: one."""
        return 1

    @property
    def type(self) -> str:
        """The name that `create` makes such a store of."""
        return type(self).__name__.lower()

    @staticmethod
    def register(klass: "type[StoreT]") -> "type[StoreT]":
        """Make a store known to `create` by the name of its class."""
        KVStoreBase.kv_registry[klass.__name__.lower()] = klass
        return klass


StoreT = TypeVar("StoreT", bound=KVStoreBase)


class KVStore(KVStoreBase):
    """The store of one process.

    What is pushed for a key is summed; it replaces the value, or `updater(key, sum, value)` changes
    the value by it. Priorities mean nothing.
    """

    def __init__(self, name: str = "local"):
        self._type = name
        self._values: dict[Key, NDArray] = {}
        self._updater: Update | None = None

    @property
    def type(self) -> str:
        return self._type

    def is_capable(self, capability: str) -> bool:
        return chosen("is_capable", capability.lower(), [self.OPTIMIZER]) == self.OPTIMIZER

    def init(self, key: Key, value: Values) -> None:
        """The first value of a key; each key has one."""
        for each, arrays in grouped("init", key, value):
            if each in self._values:
                raise OptionError(f"kvstore: key {each!r} is initialized already")
            if len(arrays) != 1:
                raise OptionError(f"kvstore: init takes one array for a key, given {len(arrays)}")
            self._values[each] = arrays[0].detach()

    def push(self, key: Key, value: Values, priority: int = 0) -> None:
        """The sum of the arrays replaces the key's value, or updates it."""
        for each, arrays in grouped("push", key, value):
            kept = self.value(each)
            for one in arrays:
                check_shape(each, kept, one)
            with autograd.pause():
                total = arrays[0].as_in_context(kept.device)
                for one in arrays[1:]:
                    total = total + one.as_in_context(kept.device)
                if self._updater is None:
                    kept[:] = total
                else:
                    self._updater(each, total, kept)

    def pull(
        self, key: Key, out: Values = None, priority: int = 0, ignore_sparse: bool = True
    ) -> None:
        """Copy the key's value into an array, or into each of a list."""
        if out is None:
            raise OptionError("kvstore: pull needs `out`, arrays to copy the value into")
        for each, arrays in grouped("pull", key, out):
            kept = self.value(each)
            for one in arrays:
                check_shape(each, kept, one)
                with autograd.pause():
                    one[:] = kept

    def pushpull(self, key: Key, value: Values, out: Values = None, priority: int = 0) -> None:
        self.push(key, value)
        self.pull(key, value if out is None else out)

    def broadcast(self, key: Key, value: Values, out: Values, priority: int = 0) -> None:
        self.init(key, value)
        self.pull(key, out)

    def value(self, key: Key) -> NDArray:
        """The array kept for a key."""
        if key not in self._values:
            hint = did_you_mean(str(key), map(str, self._values))
            raise OptionError(f"kvstore: key {key!r} is not initialized; {hint}")
        return self._values[key]

    def set_updater(self, updater: Update) -> None:
        """From now on `updater(key, pushed, value)` changes the value at each push."""
        self._updater = function("kvstore: updater", updater)

    _set_updater = set_updater

    def set_optimizer(self, optimizer: Optimizer) -> None:
        """From now on the optimizer updates the value at each push, with its own state by key."""
        if not isinstance(cast(object, optimizer), Optimizer):
            raise OptionError(f"kvstore: expected an nnc.optimizer, given {optimizer!r}")
        self._updater = get_updater(optimizer)

    def set_gradient_compression(self, compression_params: Mapping[str, Any]) -> None:
        """An error: nothing is sent, so there is nothing to compress."""
        raise OptionError("kvstore: gradients stay in this process and cannot be compressed")

    def save_optimizer_states(self, fname: str, dump_optimizer: bool = False) -> None:
        """Write the optimizer's states and counts; its rates go along in any case."""
        from nnc.gluon.state_files import save_state

        updater = self.own_updater()
        states = [[key, list(kept)] for key, kept in updater.states.items()]
        save_state(
            fname, "kvstore", {"optimizer": updater.optimizer.state_dict(), "states": states}
        )

    def load_optimizer_states(self, fname: str) -> None:
        """Go on from a file of `save_optimizer_states`."""
        from nnc.gluon.state_files import load_state

        updater = self.own_updater()
        state = load_state(fname, "kvstore", "KVStore.load_optimizer_states")
        updater.optimizer.load_state_dict(state["optimizer"])
        updater.states = {
            key: [array(one, one.dtype, self.value(key).device) for one in kept]
            for key, kept in state["states"]
        }

    def own_updater(self) -> Updater:
        if not isinstance(self._updater, Updater):
            raise OptionError("kvstore: there are no states; call set_optimizer first")
        return self._updater


def grouped(what: str, key: Key, value: Values) -> Iterator[tuple[Any, list[NDArray]]]:
    """Each key with its arrays."""
    if not isinstance(key, list | tuple):
        yield key, arrays_in(f"kvstore: {what}", value)
        return
    keys, values = cast(Sequence[Any], key), cast(Sequence[Any], value)
    if not isinstance(value, list | tuple) or len(keys) != len(values):
        raise OptionError(f"kvstore: {what} of {len(keys)} keys needs a list of as many values")
    for each, given in zip(keys, values, strict=True):
        yield each, arrays_in(f"kvstore: {what}", given)


def check_shape(key: Any, kept: NDArray, given: NDArray) -> None:
    if kept.shape != given.shape:
        raise ShapeError(f"kvstore: key {key!r} has shape {kept.shape}, given {given.shape}")


def create(name: str = "local") -> Any:
    """The store called "local", "device" or "nccl", here all the same, or a registered one."""
    known, chosen_name = KVStoreBase.kv_registry, str(name).lower()
    if chosen_name.startswith(SEVERAL_PROCESSES):
        raise OptionError(f"kvstore: '{name}' is of several processes; there is one, use 'device'")
    chosen("kvstore", chosen_name, (*ONE_PROCESS, *known))
    return known[chosen_name]() if chosen_name in known else KVStore(chosen_name)


def check(given: object) -> None:
    """Raises unless this is a store, the name of one, or None."""
    if isinstance(given, str):
        create(given)
    elif given is not None and not isinstance(given, KVStoreBase):
        raise OptionError(f"kvstore: expected a store or the name of one, given {given!r}")
