"""What layers on images share: their number of spatial axes, and the layout that follows."""

import inspect
from typing import ClassVar

from nnc.arrays.array import NDArray
from nnc.errors import OptionError
from nnc.gluon.block import HybridBlock
from nnc.gluon.block_type import signature_of
from nnc.operators.image import AXES, check_images

Sizes = int | tuple[int, ...]
"""One integer for all spatial axes, or one for each."""


class Spatial(HybridBlock):
    """A layer on images of `axes` spatial axes: `class Conv2D(Conv, axes=2)`.

    The constructor's argument `layout` is shown with the layout of as many axes as its default.
    """

    axes: ClassVar[int]
    layout: ClassVar[str]
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, axes: int = 0):
        super().__init_subclass__()
        if axes:
            cls.axes, cls.layout = axes, "".join(("N", "C", *AXES[-axes:]))
            cls.__signature__ = shown(signature_of(cls), cls.layout)

    def check_layout(self, layout: str) -> None:
        """There is one layout; an empty one means it."""
        if layout not in ("", self.layout):
            raise OptionError(
                f"{type(self).__name__}: layout is '{self.layout}', given '{layout}'; memory is "
                "laid out by the compiler"
            )

    def check_images(self, x: NDArray) -> None:
        check_images(type(self).__name__, x.shape, self.axes)


def shown(signature: inspect.Signature, layout: str) -> inspect.Signature:
    """The signature with a default layout."""
    parameters = [
        p.replace(default=layout) if name == "layout" else p
        for name, p in signature.parameters.items()
    ]
    return signature.replace(parameters=parameters)
