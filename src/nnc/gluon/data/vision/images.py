"""Images on the host: numpy arrays (height, width, channels) of bytes, resized by Pillow."""

import io
from operator import methodcaller
from typing import Any

import numpy as np
from numpy.typing import NDArray as NumpyArray

from nnc.checks import counts
from nnc.errors import OptionError, ShapeError
from nnc.gluon.data.libraries import needed

Image = NumpyArray[Any]
Box = tuple[int, int, int, int]
"""Left, top, width and height."""

FILTERS = {0: "NEAREST", 1: "BILINEAR", 2: "BICUBIC", 3: "BOX", 4: "LANCZOS"}
"""MXNet's codes of interpolations."""


def pillow(module: str = "Image") -> Any:
    return needed(f"PIL.{module}", "Pillow", "reading and resizing images")


def decode(data: bytes, flag: int = 1) -> Image:
    """The image in the bytes of a file: 3 channels of colour, or 1 of grey with `flag=0`."""
    pil = pillow()
    mode = "RGB" if flag else "L"
    try:
        image = pil.open(io.BytesIO(data))
        image.load()
    except (pil.UnidentifiedImageError, OSError, SyntaxError) as error:
        raise OptionError(f"decode: {len(data)} bytes that are no image: {error}") from None
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255.
        image = pil.fromarray(np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8))
    return hwc(np.array(image if image.mode == mode else image.convert(mode)))


def hwc(image: Image) -> Image:
    """The image with an axis for its channels."""
    return image if image.ndim == 3 else image[:, :, None]


def check_image(what: str, image: Image) -> None:
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ShapeError(
            f"{what}: expected an image (height, width, channels) with 1 or 3 channels, given "
            f"shape {image.shape}"
        )


def interpolation_of(what: str, code: Any) -> int:
    if code in FILTERS:
        return code
    raise OptionError(
        f"{what}: interpolation is 0 (nearest), 1 (linear), 2 (cubic), 3 (area) or 4 (Lanczos), "
        f"given {code!r}"
    )


def size_of(what: str, size: Any) -> tuple[int, int]:
    """Width and height; one number counts for both."""
    width, height = counts(f"{what}: size", size, 2)
    return width, height


def resized(image: Image, size: tuple[int, int], interpolation: int = 1) -> Image:
    """The image in another size, (width, height); a smaller one averages over what it covers."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    resample = pillow().Resampling[FILTERS[interpolation]]
    return by_pillow(image, methodcaller("resize", size, resample))


def by_pillow(image: Image, change: Any) -> Image:
    """The image after a function of Pillow's image; floats go channel by channel."""
    fromarray = pillow().fromarray
    if image.dtype == np.uint8:
        shown = image[:, :, 0] if image.shape[2] == 1 else image
        return hwc(np.array(change(fromarray(shown))))
    channels = np.moveaxis(image.astype(np.float32, copy=False), 2, 0)
    changed = np.stack([np.asarray(change(fromarray(channel))) for channel in channels], axis=2)
    return like(image, changed)


def like(image: Image, changed: Image) -> Image:
    """The change in the image's dtype: for integers rounded, and cut to what they hold."""
    if image.dtype.kind in "iu":
        limits = np.iinfo(image.dtype)
        changed = np.clip(np.rint(changed), limits.min, limits.max)
    return changed.astype(image.dtype, copy=False)


def cropped(image: Image, box: Box) -> Image:
    """The part of an image in a box."""
    left, top, width, height = box
    return image[top : top + height, left : left + width]


def fitting(size: tuple[int, int], image: Image) -> tuple[int, int]:
    """The largest width and height in the proportion of `size` that the image has room for."""
    width, height = size
    if width <= image.shape[1] and height <= image.shape[0]:
        return size
    if image.shape[1] * height <= image.shape[0] * width:
        return image.shape[1], max(1, height * image.shape[1] // width)
    return max(1, width * image.shape[0] // height), image.shape[0]
