"""What transforms have in common."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from nnc.arrays.array import NDArray, array
from nnc.checks import function, number
from nnc.errors import OptionError
from nnc.gluon.block import Block, HybridBlock
from nnc.gluon.data.dataset import blame
from nnc.gluon.data.randomness import random_generator
from nnc.gluon.data.vision.images import Image, check_image, hwc


class Transform(HybridBlock):
    """A function of an image: numpy's (height, width, channels), an array of nnc, or Pillow's.

    An array of nnc gives an array of nnc, anything else one of numpy.
    """

    def __call__(self, *args: Any) -> Any:
        if len(args) != 1:
            raise OptionError(
                f"{type(self).__name__}: expected an image, given {len(args)} parts of a sample; "
                "use dataset.transform_first"
            )
        [image] = args
        if isinstance(image, NDArray):
            return super().__call__(image)
        return self.on_host(np.asarray(image))

    def forward(self, x: NDArray) -> Any:
        return self.on_array(x)

    def on_array(self, image: NDArray) -> Any:
        return array(self.on_host(image.host()))

    @abstractmethod
    def on_host(self, image: Image) -> Image: ...


class ImageTransform(Transform):
    """A transform of single images, on the host."""

    def on_host(self, image: Image) -> Image:
        image = hwc(image) if image.ndim == 2 else image
        check_image(type(self).__name__, image)
        return self.changed(image)

    @abstractmethod
    def changed(self, image: Image) -> Image: ...


class Compose(Block):
    """Transforms one after the other; each is a block or a function."""

    def __init__(self, transforms: Sequence[Any]):
        super().__init__()
        self._transforms = list(transforms)
        for position, transform in enumerate(transforms):
            function(f"{type(self).__name__}: transforms", transform)
            if isinstance(transform, Block):
                self.register_child(transform, str(position))

    def __call__(self, *args: Any) -> Any:
        return super().__call__(*args) if isinstance(args[0], NDArray) else self.forward(*args)

    def forward(self, x: Any, *rest: Any) -> Any:
        x = applied(self._transforms, x)
        return (x, *rest) if rest else x

    def __len__(self) -> int:
        return len(self._transforms)

    def __getitem__(self, key: int) -> Callable[..., Any]:
        return self._transforms[key]


class HybridCompose(Compose, HybridBlock):
    """Transforms that can be part of a compiled program: those that compute with arrays only.

    `HybridSequential(HybridCompose([ToTensor(), Normalize(…)]), net)` takes images of bytes.
    """

    def __init__(self, transforms: Sequence[Any]):
        super().__init__(transforms)
        for transform in transforms:
            if not isinstance(transform, HybridBlock) or isinstance(transform, ImageTransform):
                raise OptionError(
                    f"HybridCompose: {transform!r} computes on the host; put it into a Compose "
                    "that the dataset is transformed with"
                )


def applied(transforms: Iterable[Callable[..., Any]], x: Any) -> Any:
    """The transforms of `x`; an error says which it was."""
    for transform in transforms:
        try:
            x = transform(x)
        except Exception as error:
            blame(error, transform)
            raise
    return x


class RandomApply(Compose):
    """The transforms with probability `p`, else none of them."""

    def __init__(self, transforms: Any, p: float = 0.5):
        super().__init__(transforms if isinstance(transforms, list | tuple) else [transforms])
        self._probability = probability("RandomApply: p", p)

    def __call__(self, *args: Any) -> Any:
        if happens(self._probability):
            return super().__call__(*args)
        [x, *rest] = args
        return (x, *rest) if rest else x


def probability(what: str, value: Any) -> float:
    return number(what, value, least=0, most=1)


def happens(chance: float) -> bool:
    """True with a probability."""
    return bool(random_generator().random() < chance)
