"""The scale of a loss, and what becomes of it from step to step."""

from collections.abc import Mapping
from typing import Any


class LossScaler:
    """The factor of a loss whose gradients must neither overflow nor vanish in float16."""

    def __init__(
        self, init_scale: float = 2.0**16, scale_factor: float = 2.0, scale_window: int = 2000
    ):
        self.loss_scale = init_scale
        self.unscaled = False
        """Whether the gradients of the coming step have been divided by the scale."""
        self._factor = scale_factor
        self._window = scale_window
        self._steps = 0
        """Since the scale changed."""

    @property
    def remaining(self) -> float:
        """What gradients still have to be divided by."""
        return 1.0 if self.unscaled else self.loss_scale

    def update(self, finite: bool) -> None:
        """A smaller scale after an overflow, a larger one after many steps without."""
        self.unscaled = False
        self._steps = self._steps + 1 if finite else 0
        if not finite:
            self.loss_scale = max(self.loss_scale / self._factor, 1.0)
        elif self._steps == self._window:
            self.loss_scale *= self._factor
            self._steps = 0

    def state_dict(self) -> dict[str, Any]:
        """The scale, and for how long it has been this."""
        return {"loss_scale": self.loss_scale, "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.loss_scale, self._steps = state["loss_scale"], state["steps"]
        self.unscaled = False
