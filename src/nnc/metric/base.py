"""What all metrics share: sums that grow with each batch, a formula of them, and names."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from nnc.arrays.array import NDArray
from nnc.checks import chosen
from nnc.errors import LabelError, OptionError, ShapeError
from nnc.recording.graph import Memory

Names = Sequence[str] | None
Arrays = Any
"""An array of nnc or NumPy, or a list of them."""


class EvalMetric:
    """Base of metrics: `update` adds a batch to sums, and `get` computes the metric from them.

    A subclass implements `measure`, which gets NumPy arrays and calls `accumulate`; or `update`
    itself, as in MXNet, which adds to `sum_metric` and `num_inst`.
    """

    sums: tuple[str, ...] = ("sum_metric", "num_inst")
    """The attributes that batches are added to."""

    def __init__(
        self, name: str, output_names: Names = None, label_names: Names = None, **options: Any
    ):
        self.name = str(name)
        self.output_names = output_names
        self.label_names = label_names
        self._options = options
        self._earlier: dict[str, Any] = {}
        self.reset()

    def __repr__(self) -> str:
        return f"EvalMetric: {dict(self.get_name_value())}"

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch: an array of labels and one of predictions, or lists of as many.

        It looks at the arrays, so it comes after `trainer.step`, which computes them.
        """
        for label, pred in self.pairs(labels, preds):
            self.measure(label, pred)

    def measure(self, label: Memory, pred: Memory) -> None:
        """Add one array of labels and the predictions for them."""
        raise OptionError(f"{type(self).__name__} must define measure() or update()")

    def accumulate(self, total: float, count: float) -> None:
        """Add a sum and how many it is a sum of."""
        self.sum_metric += float(total)
        self.num_inst += count

    def pairs(self, labels: Arrays, preds: Arrays) -> list[tuple[Memory, Memory]]:
        """The arrays of labels, each with its predictions, but for empty ones."""
        left, right = self.listed("labels", labels), self.listed("preds", preds)
        if len(left) != len(right):
            raise ShapeError(
                f"{self.name}: {len(left)} arrays of labels, but {len(right)} of predictions"
            )
        return [(a, b) for a, b in zip(left, right, strict=True) if a.size or b.size]

    def listed(self, what: str, given: Arrays) -> list[Memory]:
        """What was given as a list of NumPy arrays."""
        arrays: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
        for one in arrays:
            if not isinstance(one, NDArray | np.ndarray):
                raise OptionError(
                    f"{self.name}: {what} are an array or a list of arrays, given {one!r:.40}"
                )
        return [one.host() if isinstance(one, NDArray) else one for one in arrays]

    def update_dict(self, label: Mapping[str, Any], pred: Mapping[str, Any]) -> None:
        """Add a batch given by names: those in `label_names` and `output_names`, or all."""
        labels = self.named("label", label, self.label_names)
        self.update(labels, self.named("output", pred, self.output_names))

    def named(self, what: str, given: Mapping[str, Any], names: Names) -> list[Any]:
        """The arrays of these names."""
        return [given[chosen(f"{self.name}: {what}", n, given)] for n in names or given]

    def reset(self) -> None:
        """Forget all batches."""
        self._earlier = {}
        self.clear()

    def reset_local(self) -> None:
        """Forget all batches, but for `get_global`."""
        self._earlier = self.all_sums()
        self.clear()

    def clear(self) -> None:
        """Set the sums to what they are at first."""
        self.sum_metric = 0.0
        self.num_inst = 0.0

    def state_dict(self) -> dict[str, Any]:
        """The sums, as a checkpoint can hold them."""
        return {name: getattr(self, name, 0) for name in self.sums}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on adding to these sums."""
        vars(self).update(state_dict)

    def all_sums(self) -> dict[str, Any]:
        """The sums since `reset`."""
        now = {name: getattr(self, name) for name in self.sums}
        return {name: self._earlier[name] + s if self._earlier else s for name, s in now.items()}

    def result(self, sums: Mapping[str, Any]) -> Any:
        """The metric, from its sums: the mean of what was added, NaN of nothing."""
        return sums["sum_metric"] / sums["num_inst"] if sums["num_inst"] else math.nan

    def get(self) -> tuple[Any, Any]:
        """The name of the metric and its value, which is NaN before the first batch."""
        return self.name, self.result({name: getattr(self, name) for name in self.sums})

    def get_global(self) -> tuple[Any, Any]:
        """Name and value over all batches since `reset`, whatever `reset_local` forgot."""
        return self.name, self.result(self.all_sums())

    def get_name_value(self) -> list[tuple[str, Any]]:
        """Pairs of name and value."""
        return in_pairs(*self.get())

    def get_global_name_value(self) -> list[tuple[str, Any]]:
        """Pairs of name and value since `reset`."""
        return in_pairs(*self.get_global())

    def get_config(self) -> dict[str, Any]:
        """What `create(config)` makes a metric like this one of."""
        return {
            "metric": type(self).__name__,
            "name": self.name,
            "output_names": self.output_names,
            "label_names": self.label_names,
            **self._options,
        }


def in_pairs(name: Any, value: Any) -> list[tuple[str, Any]]:
    """Each name with its value."""
    if isinstance(name, list):
        return list(zip(cast(list[str], name), value, strict=True))
    return [(name, value)]


def class_numbers(what: str, given: Memory) -> Memory:
    """Whole numbers, as integers in one row."""
    flat = given.reshape(-1)
    if flat.dtype.kind in "iu":
        return flat
    wrong = ~np.isfinite(flat) | (np.trunc(flat) != flat)
    if wrong.any():
        raise LabelError(f"{what}: expected numbers of classes, given {flat[wrong][0]:g}")
    return flat.astype(np.int64)


MetricT = TypeVar("MetricT", bound=EvalMetric)
NAMED: dict[str, Callable[..., EvalMetric]] = {}


def register(klass: type[MetricT]) -> type[MetricT]:
    """Make a metric known to `create` by the name of its class."""
    NAMED[klass.__name__.lower()] = klass
    return klass


def alias(*names: str) -> Callable[[type[MetricT]], type[MetricT]]:
    """Make a metric known to `create` by more names."""

    def named(klass: type[MetricT]) -> type[MetricT]:
        NAMED.update(dict.fromkeys(names, klass))
        return klass

    return named
