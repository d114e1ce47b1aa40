"""Python functions as programs that skip Python: `compile` and `compile_step`."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from nnc import autograd
from nnc.arrays.array import NDArray, array, arrays_in, memory_value, the_array
from nnc.checks import function, number
from nnc.compilation.execution import Bound, bind
from nnc.errors import GradientError, OptionError, ShapeError, TraceError
from nnc.gluon.trainer import Trainer
from nnc.lowering.nn_remat import BudgetError
from nnc.recording.graph import Graph, Scalar, Type, Value, graph_of
from nnc.recording.index_checks import checked_graph, choices_of, looked_at
from nnc.recording.recorder import flush, recorder
from nnc.recording.tracing import tracing
from nnc.runtime.device import DeviceArray, Storage
from nnc.runtime.report import Report
from nnc.settings import with_memory_budget


class Entry:
    """A program for inputs of certain shapes and dtypes, and where its arguments come from."""

    def __init__(self, bound: Bound, graph: Graph, inputs: Sequence[Value]):
        self.bound = bound
        places = {value: place for place, value in enumerate(inputs)}
        plain = [v for v in graph.leaves if v.variable is None and type(v) is not Scalar]
        self.order = [places.get(v) for v in plain]
        place = graph.structure.device
        self.constants: list[Any] = [
            v.memory if v in places or isinstance(v.memory, DeviceArray) else place.array(v.memory)
            for v in plain
        ]
        self.is_direct = self.order == list(range(len(inputs)))
        numbers = [v for v in graph.leaves if type(v) is Scalar]
        self.checks = graph.checks
        self.numbers = list(zip(bound.scalars, numbers, strict=True))
        self.indices = [(places[x], check) for x, _, check in graph.choices if x in places]

    def __call__(self, memories: Sequence[Storage]) -> Sequence[Storage]:
        for place, check in self.indices:
            check.look_at(memories[place])
        if not self.is_direct:
            memories = [
                constant if place is None else memories[place]
                for place, constant in zip(self.order, self.constants, strict=True)
            ]
        bound = self.bound
        with bound.lock:
            for scalar, leaf in self.numbers:
                scalar[()] = leaf.number if leaf.source is None else leaf.source()
            results = bound.run(memories)
        results = results if type(results) is tuple else (results,)
        return looked_at(self.checks, results) if self.checks else results


def memory_of(operand: Any) -> Storage:
    """The memory of an array, numpy's or nnc's, without a copy."""
    if isinstance(operand, NDArray):
        value = operand.current
        return operand.memory() if value.memory is None else value.memory
    return operand if type(operand) is np.ndarray else array(operand).memory()


def replaceable(memory: Storage) -> Value:
    """The value of an input, which another call gives another memory."""
    value = memory_value(memory)
    value.replaceable = True
    return value


@contextmanager
def lasting(name: str) -> Generator[None]:
    """What is recorded runs again, with other inputs."""
    recorder.lasting, before = name, recorder.lasting
    try:
        yield
    finally:
        recorder.lasting = before


def signature(memories: Sequence[Storage]) -> Any:
    """What a program is compiled for."""
    return tuple([(m.shape, m.dtype, type(m)) for m in memories])


class CompiledCallable:
    """A program for each signature of the inputs."""

    def __init__(self) -> None:
        self.entries: dict[Any, Any] = {}
        self.last: Entry | None = None

    @property
    def program(self) -> Any:
        """The program that ran last."""
        if self.last is None:
            raise OptionError("nothing is compiled yet; call the function once")
        return self.last.bound.program

    @property
    def source(self) -> str:
        return self.program.source

    def ir(self, level: str) -> str:
        """The IR at a level: frontend, graph, groups, storage or loops."""
        return self.program.ir(level)

    def report(self) -> Report:
        return self.program.report()


class CompiledFunction(CompiledCallable):
    """A pure function of arrays, compiled for each new signature."""

    def __init__(self, function: Callable[..., Any]):
        super().__init__()
        self.function = function

    def __call__(self, *arrays: Any) -> Any:
        memories = [memory_of(x) for x in arrays]
        if recorder.nodes:
            flush()
        entry, single = self.entry(memories)
        results = [NDArray(memory_value(r)) for r in entry(memories)]
        return results[0] if single else results

    def entry(self, memories: Sequence[Storage]) -> tuple[Entry, bool]:
        """The program for inputs like these; Python runs only where there is none yet."""
        key = signature(memories)
        found = self.entries.get(key)
        if found is None:
            inputs = list(map(replaceable, memories))
            with autograd.pause(), tracing("compile") as writes:
                returned = self.function(*map(NDArray, inputs))
            single = isinstance(returned, NDArray)
            results = arrays_in("compile: the function", returned)
            if writes:
                raise OptionError("compile: the function must be pure, but it changes variables")
            graph = checked_graph([(r.current, None) for r in results])
            found = self.entries[key] = (Entry(bind(graph), graph, inputs), single)
        self.last = found[0]
        return found


def compile(function: Callable[..., Any], *example_arrays: Any) -> CompiledFunction:
    """`function` as a program: Python runs once for each signature of the inputs.

    The function takes and returns arrays and changes nothing else. What it reads besides, it reads
    as it was then: only parameters are seen to change. With examples it is compiled at once.
    """
    compiled = CompiledFunction(function)
    if example_arrays:
        flush()
        compiled.entry([memory_of(x) for x in example_arrays])
    return compiled


def spread(arrays: tuple[Any, ...]) -> tuple[tuple[Any, ...], int | None]:
    """The arrays in one row, and how many are the label, if it is a tuple or list of arrays."""
    label = arrays[-1] if arrays else None
    if isinstance(label, list | tuple) and any(isinstance(x, NDArray | np.ndarray) for x in label):
        return (*arrays[:-1], *label), len(label)
    return arrays, None


class Step(NamedTuple):
    """A compiled step, and what of its results is shown."""

    entry: Entry
    shown: list[tuple[int, Type]]
    """The places of the loss and of what the network gave, and what they are."""
    finite: int | None
    """The place of whether the gradients are numbers, where the loss is scaled."""
    single: bool
    """Whether the network gave one array, not a list."""


class CompiledStep(CompiledCallable):
    """`step(x, …, label)` is one training step; it returns the loss of each sample.

    The label may be a tuple of arrays, which the loss then gets. With `predictions` it returns the
    loss and what the network gave.
    """

    def __init__(
        self,
        net: Callable[..., Any],
        loss: Callable[..., Any],
        trainer: Trainer,
        memory_budget: float | None,
        predictions: bool,
    ):
        super().__init__()
        self.net = net
        self.loss = loss
        self.trainer = trainer
        self.memory_budget = memory_budget
        self.predictions = predictions

    def __call__(self, *arrays: Any) -> Any:
        arrays, labels = spread(arrays)
        memories = [memory_of(x) for x in arrays]
        found = self.entries.get((labels, signature(memories)))
        if found is None or recorder.observed:
            return self.first(memories, labels)
        if recorder.nodes:
            flush()
        entry, shown, finite, single = found
        self.last = entry
        with self.trainer.counted(memories[0].shape[0]):
            results = entry(memories)
        if finite is not None:
            self.trainer.judge(bool(np.asarray(results[finite])))
        return self.returned([NDArray(Value(type, results[i])) for i, type in shown], single)

    def returned(self, shown: list[NDArray], single: bool) -> Any:
        """The loss, or the loss and what the network gave."""
        if not self.predictions:
            return shown[0]
        return shown[0], shown[1] if single else shown[1:]

    def first(self, memories: Sequence[Storage], labels: int | None) -> Any:
        """The first step with inputs like these goes through Python, and shows the program.

        Inputs from the host go to the parameters' device here, later in the program's call.
        """
        if len(memories) < 2:
            raise ShapeError("compile_step: a step takes the inputs and, last, the label")
        flush()
        place = self.trainer.device
        here = [m if isinstance(m, DeviceArray) else place.array(m) for m in memories]
        inputs = list(map(replaceable, here))
        *given, label = map(NDArray, inputs)
        if labels is not None:
            both = [*given, label]
            given, label = both[:-labels], tuple(both[-labels:])
        with autograd.record(), lasting("compile_step"):
            predicted = self.net(*given)
            loss = the_array("compile_step: the loss", self.loss(predicted, label))
            scaled = self.trainer.scaled(loss)
        if loss.current.memory is not None:
            raise TraceError(
                "compile_step: the loss is computed already, by asnumpy(), item(), bool() or "
                "print() in the network or the loss; leave them out"
            )
        shown, single = [loss], isinstance(predicted, NDArray)
        if self.predictions:
            shown += arrays_in("compile_step: the network", predicted)
        del predicted  # What is held when the step runs is a result of the program.
        for leaf, _, check in choices_of(graph_of([(loss.current, None)]).nodes):
            if leaf in inputs:
                check.look_at(memories[inputs.index(leaf)])
        scaled.backward()
        try:
            with with_memory_budget(self.memory_budget):
                runs = self.trainer.run(memories[0].shape[0])
        except BudgetError as error:
            raise OptionError(f"compile_step: {error}") from None
        if not runs:
            raise GradientError("compile_step: the trainer has nothing to update")
        [run] = [r for r in runs if any(one is loss.memory() for one in r.results)]
        outputs = [r for r in run.results if r is not None]

        def at(array: NDArray) -> int:
            return [r is array.memory() for r in outputs].index(True)

        finite = self.trainer.finite
        entry = self.last = Entry(run.bound, run.graph, inputs)
        if not recorder.observed:  # The program of a monitor's step gives its statistics, too.
            self.entries[labels, signature(memories)] = Step(
                entry,
                [(at(array), array.current.type) for array in shown],
                None if finite is None else at(finite),
                single,
            )
        return self.returned(shown, single)


def compile_step(
    net: Callable[..., Any],
    loss: Callable[..., Any],
    trainer: Trainer,
    memory_budget: float | None = None,
    predictions: bool = False,
) -> CompiledStep:
    """Record, backward and step as one callable that skips Python.

    `forward` runs once for each signature of the inputs: what it decides in Python is decided
    then. The step divides gradients by the size of the first input's first axis.

    `memory_budget` is how many MiB a step may need beyond inputs, outputs, parameters and their
    states. To meet it, values of the forward pass are computed again in the backward pass; the
    numbers stay the same to the last bit.

    With `predictions` a step returns the loss and what `net` gave, from before the update.
    """
    function("compile_step: net", net)
    function("compile_step: loss", loss)
    if memory_budget is not None:
        number("compile_step: memory_budget", memory_budget, above=0)
    return CompiledStep(net, loss, check_trainer(trainer), memory_budget, predictions)


def check_trainer(given: object) -> Trainer:
    if not isinstance(given, Trainer):
        raise OptionError(f"compile_step: expected a gluon.Trainer, given {given!r}")
    return given
