"""Sizes, crops, flips and rotations."""

import math
from operator import methodcaller
from typing import Any

import numpy as np

from nnc.checks import count, number
from nnc.errors import OptionError, ShapeError
from nnc.gluon.data.randomness import random_generator
from nnc.gluon.data.vision.images import (
    Box,
    Image,
    by_pillow,
    cropped,
    fitting,
    interpolation_of,
    pillow,
    resized,
    size_of,
)
from nnc.gluon.data.vision.transforms.base import ImageTransform, Transform, happens, probability


class Resize(ImageTransform):
    """The image in `size`, (width, height) or one number for both.

    With `keep_ratio`, one number is the length of the shorter edge.
    """

    def __init__(self, size: Any, keep_ratio: bool = False, interpolation: int = 1):
        super().__init__()
        self._size = size_of("Resize", size)
        self._keep = keep_ratio and isinstance(size, int)
        self._interpolation = interpolation_of("Resize", interpolation)

    def changed(self, image: Image) -> Image:
        size = self._size
        if self._keep:
            height, width = image.shape[:2]
            shorter = min(height, width)
            size = (width * size[0] // shorter, height * size[0] // shorter)
        return resized(image, size, self._interpolation)


class Crop(ImageTransform):
    """A part of the image in `size`, (width, height) or one number for both."""

    def __init__(self, size: Any, interpolation: int):
        super().__init__()
        self._size = size_of(type(self).__name__, size)
        self._interpolation = interpolation_of(type(self).__name__, interpolation)

    def changed(self, image: Image) -> Image:
        return resized(cropped(image, self.box(image)), self._size, self._interpolation)

    def box(self, image: Image) -> Box:
        """The part that is taken."""
        return centred(image, fitting(self._size, image))


class CenterCrop(Crop):
    """The middle of the image. Where the image is too small, what there is of it is enlarged."""

    def __init__(self, size: Any, interpolation: int = 1):
        super().__init__(size, interpolation)


class RandomCrop(Crop):
    """A part of the image at a random place, after `pad` pixels of `pad_value` at each edge.

    `pad` is one number, (columns, rows), or (left, top, right, bottom). Where the image is too
    small, what there is of it is enlarged.
    """

    def __init__(self, size: Any, pad: Any = None, pad_value: Any = 0, interpolation: int = 1):
        super().__init__(size, interpolation)
        self._pad = edges(pad)
        self._pad_value = pad_value

    def changed(self, image: Image) -> Image:
        left, top, right, bottom = self._pad
        if any(self._pad):
            height, width, channels = image.shape
            padded = np.empty((height + top + bottom, width + left + right, channels), image.dtype)
            padded[...] = self._pad_value
            padded[top : top + height, left : left + width] = image
            image = padded
        return super().changed(image)

    def box(self, image: Image) -> Box:
        return anywhere(image, fitting(self._size, image))


class RandomResizedCrop(Crop):
    """A random part of the image, resized.

    Its area is a share from `scale` of the image's, its width over its height is from `ratio`,
    evenly on a logarithmic scale. If ten tries do not fit the image, it is the middle.
    """

    def __init__(
        self,
        size: Any,
        scale: Any = (0.08, 1.0),
        ratio: Any = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: int = 1,
    ):
        super().__init__(size, interpolation)
        self._scale = bounds("scale", (scale, 1.0) if isinstance(scale, float | int) else scale)
        self._ratio = bounds("ratio", ratio)

    def box(self, image: Image) -> Box:
        height, width = image.shape[:2]
        low, high = map(math.log, self._ratio)
        draws = random_generator()
        for _ in range(10):
            area = height * width * draws.uniform(*self._scale)
            ratio = math.exp(draws.uniform(low, high))
            size = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < size[0] <= width and 0 < size[1] <= height:
                return anywhere(image, size)
        return super().box(image)


class CropResize(ImageTransform):
    """The part of `width` and `height` with its corner at (x, y), in `size` if one is given."""

    def __init__(
        self,
        x: int,
        y: int,
        width: int,
        height: int,
        size: Any = None,
        interpolation: int | None = None,
    ):
        super().__init__()
        left, top = (count(f"CropResize: {n}", v, 0) for n, v in (("x", x), ("y", y)))
        self._box: Box = (
            left, top, count("CropResize: width", width), count("CropResize: height", height)
        )  # fmt: skip
        self._size = self._box[2:] if size is None else size_of("CropResize", size)
        self._interpolation = interpolation_of(
            "CropResize", 1 if interpolation is None else interpolation
        )

    def changed(self, image: Image) -> Image:
        left, top, width, height = self._box
        if left + width > image.shape[1] or top + height > image.shape[0]:
            raise ShapeError(
                f"CropResize: {width} x {height} at ({left}, {top}) is not inside an image of "
                f"{image.shape[1]} x {image.shape[0]}"
            )
        return resized(cropped(image, self._box), self._size, self._interpolation)


class RandomFlipLeftRight(ImageTransform):
    """The mirror image with probability `p`."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self._probability = probability("RandomFlipLeftRight: p", p)

    def changed(self, image: Image) -> Image:
        return image[:, ::-1] if happens(self._probability) else image


class RandomFlipTopBottom(ImageTransform):
    """The image upside down with probability `p`."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self._probability = probability("RandomFlipTopBottom: p", p)

    def changed(self, image: Image) -> Image:
        return image[::-1] if happens(self._probability) else image


class Rotation(Transform):
    """The image turned anticlockwise, in its size; what comes from outside of it is 0.

    Bytes are (H, W, C), floats (C, H, W) or (N, C, H, W), as MXNet has them. `zoom_in` enlarges
    until nothing is from outside, `zoom_out` shrinks until nothing is lost.
    """

    def __init__(self, zoom_in: bool, zoom_out: bool):
        super().__init__()
        if zoom_in and zoom_out:
            raise OptionError(f"{type(self).__name__}: choose one of zoom_in and zoom_out")
        self._zoom = -1 if zoom_in else 1 if zoom_out else 0

    def turned(self, image: Image, degrees: float) -> Image:
        """The image by an angle."""
        if image.ndim == 4:
            return np.stack([self.turned(one, degrees) for one in image])
        if image.dtype != np.uint8:
            return np.moveaxis(self._turned(np.moveaxis(image, 0, 2), degrees), 2, 0)
        return self._turned(image, degrees)

    def _turned(self, image: Image, degrees: float) -> Image:
        height, width = image.shape[:2]
        angle = math.radians(degrees)
        cosine, sine = round(math.cos(angle), 15), round(math.sin(angle), 15)
        across = (width * abs(cosine) + height * abs(sine)) / width
        along = (height * abs(cosine) + width * abs(sine)) / height
        scale = max(across, along) ** self._zoom
        a, b = cosine * scale, sine * scale
        x, y = width / 2, height / 2
        matrix = (a, -b, x - a * x + b * y, b, a, y - b * x - a * y)
        pil = pillow()
        affine, linear = pil.Transform.AFFINE, pil.Resampling.BILINEAR
        return by_pillow(image, methodcaller("transform", (width, height), affine, matrix, linear))


class Rotate(Rotation):
    """The image turned by `rotation_degrees`."""

    def __init__(self, rotation_degrees: float, zoom_in: bool = False, zoom_out: bool = False):
        super().__init__(zoom_in, zoom_out)
        self._degrees = number("Rotate: rotation_degrees", rotation_degrees)

    def on_host(self, image: Image) -> Image:
        return self.turned(image, self._degrees)


class RandomRotation(Rotation):
    """The image turned by a random angle of `angle_limits`, with a probability."""

    def __init__(
        self,
        angle_limits: tuple[float, float],
        zoom_in: bool = False,
        zoom_out: bool = False,
        rotate_with_proba: float = 1.0,
    ):
        super().__init__(zoom_in, zoom_out)
        low, high = angle_limits
        self._low = number("RandomRotation: angle_limits", low)
        self._high = number("RandomRotation: angle_limits", high, least=low)
        self._probability = probability("RandomRotation: rotate_with_proba", rotate_with_proba)

    def on_host(self, image: Image) -> Image:
        if not happens(self._probability):
            return image
        return self.turned(image, random_generator().uniform(self._low, self._high))


def centred(image: Image, size: tuple[int, int]) -> Box:
    return (image.shape[1] - size[0]) // 2, (image.shape[0] - size[1]) // 2, *size


def anywhere(image: Image, size: tuple[int, int]) -> Box:
    draws = random_generator()
    left = int(draws.integers(image.shape[1] - size[0] + 1))
    top = int(draws.integers(image.shape[0] - size[1] + 1))
    return left, top, *size


def edges(pad: Any) -> Box:
    """Pixels at the left, top, right and bottom."""
    given = (0,) if pad is None else tuple(pad) if isinstance(pad, tuple | list) else (pad,)
    if len(given) not in (1, 2, 4):
        raise OptionError(f"RandomCrop: pad: expected 1, 2 or 4 numbers, given {pad!r}")
    left, top, right, bottom = (
        count("RandomCrop: pad", one, 0) for one in given * (4 // len(given))
    )
    return left, top, right, bottom


def bounds(name: str, given: Any) -> tuple[float, float]:
    """Two numbers above 0, the lower first."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise OptionError(f"RandomResizedCrop: {name}: expected two numbers, given {given!r}")
    low = number(f"RandomResizedCrop: {name}", given[0], above=0)
    return low, number(f"RandomResizedCrop: {name}", given[1], least=low)
