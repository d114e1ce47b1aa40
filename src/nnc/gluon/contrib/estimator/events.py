"""When handlers are called: each event is a mixin with one method, which gets the estimator.

Handlers of an event are called in the order of their `priority`, lowest first; without one it
is 0. A true result of `batch_end` or `epoch_end` ends the epoch or the training.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from nnc.gluon.state_files import State

if TYPE_CHECKING:
    from nnc.gluon.contrib.estimator.estimator import Estimator


class EventHandler:
    """Base of all events."""

    priority: float = 0

    def state_dict(self) -> State:
        """What a checkpoint keeps of it, and a resumed training gives back; nothing by default."""
        return {}

    def load_state_dict(self, state_dict: State) -> None:
        """Go on from what `state_dict` gave."""

    def finished(self, estimator: "Estimator") -> bool:
        """Whether a training that begins, or goes on from a checkpoint, is over already."""
        return False

    def close(self) -> None:
        """Called last, also where the training ends with an error."""


class TrainBegin(EventHandler):
    """Before the first epoch."""

    def train_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        """Called once for each `fit`."""


class TrainEnd(EventHandler):
    """After the last epoch."""

    def train_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        """Called once for each `fit`."""


class EpochBegin(EventHandler):
    """Before the first batch of an epoch, or of an evaluation."""

    def epoch_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        """Called once for each pass over the data."""


class EpochEnd(EventHandler):
    """After the last batch of an epoch, or of an evaluation."""

    def epoch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> bool | None:
        """Whether to stop training."""


class BatchBegin(EventHandler):
    """Before a batch; `batch` is what the loader gave."""

    def batch_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        """Called with `batch=`."""


class BatchEnd(EventHandler):
    """After a batch; `batch`, and lists of one array each: `pred`, `label`, `loss`."""

    def batch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> bool | None:
        """Whether to stop training. Called with `batch=`, `pred=`, `label=` and `loss=`."""


Handler = TypeVar("Handler", bound=EventHandler)


def of_event(event: type[Handler], handlers: Iterable[EventHandler]) -> list[Handler]:
    """The handlers of an event, in the order they are called in."""
    return sorted((h for h in handlers if isinstance(h, event)), key=lambda h: h.priority)
