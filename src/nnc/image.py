"""Single images, as `mx.image` has them: arrays (height, width, channels), computed on the host.

What is done to each sample of a dataset is in `nnc.gluon.data.vision.transforms`. Codes of
interpolations are 0 (nearest), 1 (linear), 2 (cubic), 3 (area) and 4 (Lanczos).
"""

import os
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from nnc.arrays.array import NDArray, array, as_array
from nnc.gluon.data.vision.datasets import image_in
from nnc.gluon.data.vision.images import Box, Image, check_image, decode, fitting, size_of
from nnc.gluon.data.vision.transforms.geometry import (
    CropResize,
    RandomResizedCrop,
    Resize,
    anywhere,
    centred,
)
from nnc.lowering.pass_specs import did_you_mean

__all__ = [
    "center_crop",
    "color_normalize",
    "fixed_crop",
    "imdecode",
    "imread",
    "imresize",
    "random_crop",
    "random_size_crop",
    "resize_short",
]


def imread(filename: str | os.PathLike[str], flag: int = 1, to_rgb: bool = True) -> NDArray:
    """The image in a file, as bytes: 3 channels of colour, or 1 of grey with `flag=0`."""
    return ordered(image_in(Path(filename), flag), to_rgb)


def imdecode(buf: bytes, flag: int = 1, to_rgb: bool = True) -> NDArray:
    """The image in the bytes of a file."""
    return ordered(decode(bytes(buf), flag), to_rgb)


def ordered(image: Image, to_rgb: bool) -> NDArray:
    """Red before green before blue, or the other way round."""
    return array(image if to_rgb else np.ascontiguousarray(image[:, :, ::-1]))


def imresize(src: Any, w: int, h: int, interp: int = 1) -> NDArray:
    """The image in another size."""
    return Resize((w, h), interpolation=interp)(as_array(src))


def resize_short(src: Any, size: int, interp: int = 2) -> NDArray:
    """The image in its proportion, with `size` as the length of its shorter edge."""
    return Resize(size, keep_ratio=True, interpolation=interp)(as_array(src))


def fixed_crop(
    src: Any, x0: int, y0: int, w: int, h: int, size: Any = None, interp: int = 2
) -> NDArray:
    """The part of width w and height h with its corner at (x0, y0), in `size` if one is given."""
    return CropResize(x0, y0, w, h, size, interp)(as_array(src))


def center_crop(src: Any, size: Any, interp: int = 2) -> tuple[NDArray, Box]:
    """The middle in `size`, (width, height), and where it was: (x0, y0, width, height)."""
    image = pixels("center_crop", src)
    return cut(src, centred(image, fitting(size_of("center_crop", size), image)), size, interp)


def random_crop(src: Any, size: Any, interp: int = 2) -> tuple[NDArray, Box]:
    """A part at a random place in `size`, (width, height), and where it was.

    Of an image that is too small, the largest part of that proportion is enlarged.
    """
    image = pixels("random_crop", src)
    return cut(src, anywhere(image, fitting(size_of("random_crop", size), image)), size, interp)


def random_size_crop(
    src: Any, size: Any, area: Any, ratio: Any, interp: int = 2
) -> tuple[NDArray, Box]:
    """A part with a random share of the area and a random width over height, and where it was."""
    image = pixels("random_size_crop", src)
    return cut(src, RandomResizedCrop(size, area, ratio, interp).box(image), size, interp)


def cut(src: Any, box: Box, size: Any, interp: int) -> tuple[NDArray, Box]:
    return fixed_crop(src, *box, size, interp), box


def pixels(what: str, src: Any) -> Image:
    image = as_array(src).host()
    check_image(what, image)
    return image


def color_normalize(src: Any, mean: Any, std: Any = None) -> NDArray:
    """`(src - mean) / std`."""
    centred = as_array(src).as_float() - as_array(mean)
    return centred if std is None else centred / as_array(std)


def __getattr__(name: str) -> NoReturn:
    hint = did_you_mean(name, __all__)
    if name.endswith(("Iter", "Aug", "Augmenter")):
        hint = (
            "datasets and transforms are in nnc.gluon.data.vision, and a DataLoader makes batches"
        )
    raise AttributeError(f"module 'nnc.image' has no attribute '{name}'; {hint}")
