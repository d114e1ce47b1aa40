"""The place for the gradient of a leaf."""

import weakref
from typing import TYPE_CHECKING

import numpy as np

from nnc.checks import chosen
from nnc.errors import GradientError
from nnc.recording.graph import Value
from nnc.runtime.device import HOST

if TYPE_CHECKING:
    from nnc.arrays.array import NDArray


GRAD_REQUESTS = ("write", "add", "null")


def check_grad_req(request: str) -> str:
    return chosen("grad_req", request, GRAD_REQUESTS)


class Slot:
    """Where `backward` leaves a gradient; `request` is "write" or "add".

    The gradient stays a recorded value until it is read, held, or its inputs are overwritten.
    """

    __slots__ = ("fresh", "handle", "lost", "name", "request", "value")

    def __init__(self, request: str, name: str = "an array"):
        self.request = request
        self.name = name
        self.value: Value | None = None
        self.fresh = False
        """Whether `backward` has run since the last step."""
        self.lost = False
        self.handle: weakref.ref[NDArray] | None = None
        """The array that shows the gradient, if anybody holds it."""

    @property
    def pending(self) -> Value | None:
        """The gradient if it is not computed yet."""
        return self.value if self.value is not None and self.value.memory is None else None

    def set(self, value: Value) -> None:
        """A new gradient."""
        self.value = value
        self.lost = False
        held = self.handle() if self.handle else None
        if held is not None:
            held.show(value)

    def drop_if_pending(self) -> None:
        """Called after a flush: what is still not computed never will be."""
        if self.pending is not None:
            self.value = None
            self.lost = True

    def show_in(self, array: "NDArray") -> None:
        """The array shows the gradient from now on, which is what it holds."""
        self.value = array.current
        self.handle = weakref.ref(array)

    def get(self, leaf: Value) -> Value:
        """The gradient, zeros before the first `backward`."""
        held = self.handle() if self.handle else None
        if held is not None:
            self.value = held.current
            return self.value
        if self.lost:
            raise GradientError(
                f"the gradient of {self.name} went straight into the update of step() and was not "
                "kept; call grad() before step() and hold the array it returns"
            )
        if self.value is None:
            self.value = zeros(leaf)
        return self.value


def zeros(leaf: Value) -> Value:
    """The gradient of a leaf on which nothing depends."""
    place = leaf.type.device or HOST
    return Value(leaf.type, place.array(np.zeros(leaf.type.shape, leaf.type.dtype)))
