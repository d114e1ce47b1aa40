"""Metrics made of metrics, of functions and of losses, and `create`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from nnc.checks import chosen, function, is_number
from nnc.errors import OptionError
from nnc.metric.base import NAMED, Arrays, EvalMetric, Names, alias, register


def create(metric: Any, *args: Any, **kwargs: Any) -> EvalMetric:
    """A metric by its name, with its options; of a function, a list of metrics, or a config."""
    if isinstance(metric, EvalMetric):
        if args or kwargs:
            raise OptionError("metric: options go with the name of a metric, not an object")
        return metric
    if isinstance(metric, list):
        made = [create(one, *args, **kwargs) for one in cast(list[Any], metric)]
        return CompositeEvalMetric(made)
    if isinstance(metric, dict):
        return create(**cast(dict[str, Any], metric))
    if callable(metric):
        return CustomMetric(metric, *args, **kwargs)
    return NAMED[chosen("metric", str(metric).lower(), NAMED)](*args, **kwargs)


@alias("composite")
@register
class CompositeEvalMetric(EvalMetric):
    """Several metrics of the same labels and predictions; `get` gives lists of names and values."""

    def __init__(
        self,
        metrics: Sequence[Any] | None = None,
        name: str = "composite",
        output_names: Names = None,
        label_names: Names = None,
    ):
        self.metrics = [create(one) for one in metrics or ()]
        super().__init__(name, output_names, label_names)

    def add(self, metric: Any) -> None:
        """One more metric, or the name of one."""
        self.metrics.append(create(metric))

    def get_metric(self, index: int) -> EvalMetric:
        """One of the metrics."""
        if not 0 <= index < len(self.metrics):
            raise OptionError(f"get_metric: no metric {index}, there are {len(self.metrics)}")
        return self.metrics[index]

    def update(self, labels: Arrays, preds: Arrays) -> None:
        for metric in self.metrics:
            metric.update(labels, preds)

    def update_dict(self, label: Mapping[str, Any], pred: Mapping[str, Any]) -> None:
        """Each metric takes what it names of what this one names."""
        labels = {n: x for n, x in label.items() if n in (self.label_names or label)}
        preds = {n: x for n, x in pred.items() if n in (self.output_names or pred)}
        for metric in self.metrics:
            metric.update_dict(labels, preds)

    def reset(self) -> None:
        for metric in self.metrics:
            metric.reset()

    def reset_local(self) -> None:
        for metric in self.metrics:
            metric.reset_local()

    def state_dict(self) -> dict[str, Any]:
        return {"metrics": [metric.state_dict() for metric in self.metrics]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for metric, state in zip(self.metrics, state_dict["metrics"], strict=True):
            metric.load_state_dict(state)

    def get(self) -> tuple[list[str], list[Any]]:
        return unzipped([metric.get_name_value() for metric in self.metrics])

    def get_global(self) -> tuple[list[str], list[Any]]:
        return unzipped([metric.get_global_name_value() for metric in self.metrics])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "metrics": [one.get_config() for one in self.metrics]}


def unzipped(pairs: list[list[tuple[str, Any]]]) -> tuple[list[str], list[Any]]:
    """All names, and all values."""
    flat = [pair for part in pairs for pair in part]
    return [name for name, _ in flat], [value for _, value in flat]


@register
class CustomMetric(EvalMetric):
    """The mean of what a function of a batch gives: `feval(label, pred)` of NumPy arrays.

    It gives a number, or a pair of a sum and how many it is a sum of.
    """

    def __init__(
        self,
        feval: Callable[..., Any],
        name: str | None = None,
        allow_extra_outputs: bool = False,
        output_names: Names = None,
        label_names: Names = None,
    ):
        self.feval = function("CustomMetric: feval", feval)
        self.allow_extra_outputs = allow_extra_outputs
        own = getattr(feval, "__name__", type(feval).__name__)
        shown = f"custom({own})" if "<" in own else own
        super().__init__(name or shown, output_names, label_names)

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch; with `allow_extra_outputs` there may be more predictions than labels."""
        if self.allow_extra_outputs:
            labels = self.listed("labels", labels)
            preds = self.listed("preds", preds)[: len(labels)]
        super().update(labels, preds)

    def measure(self, label: Any, pred: Any) -> None:
        given = self.feval(label, pred)
        total, number = given if isinstance(given, tuple) else (given, 1)
        if not is_number(number) or not hasattr(total, "__float__"):
            raise OptionError(
                f"{self.name}: expected a number, or a pair of a sum and a count, given {given!r}"
            )
        self.accumulate(total, number)

    def get_config(self) -> dict[str, Any]:
        raise OptionError(f"{self.name}: a metric of a function has no config to make it from")


def np(
    numpy_feval: Callable[..., Any], name: str | None = None, allow_extra_outputs: bool = False
) -> CustomMetric:
    """The metric of a function of NumPy arrays; see `CustomMetric`. Works as a decorator, too."""
    return CustomMetric(numpy_feval, name, allow_extra_outputs)


@register
class Loss(EvalMetric):
    """The mean of all numbers that a loss gives; labels are not looked at."""

    def __init__(self, name: str = "loss", output_names: Names = None, label_names: Names = None):
        super().__init__(name, output_names, label_names)

    def update(self, labels: Arrays, preds: Arrays) -> None:
        for pred in self.listed("preds", preds):
            self.accumulate(pred.sum(dtype="float64"), pred.size)
