"""Pooling and resampling of images, named as in MXNet."""

from collections.abc import Sequence

from nnc.array_functions.wrapping import function
from nnc.arrays.array import NDArray
from nnc.checks import chosen, count, counts
from nnc.errors import ShapeError
from nnc.operators import image as images

Shape = int | Sequence[int]


@function
def pooling(
    data: NDArray,
    kernel: Shape = (),
    pool_type: str = "max",
    global_pool: bool = False,
    pooling_convention: str = "valid",
    stride: Shape = 1,
    pad: Shape = 0,
    p_value: float = 2,
    count_include_pad: bool = True,
) -> NDArray:
    """Pooling of type "max", "avg", "sum" or "lp", which is `(sum |x|^p)^(1/p)`.

    Convention "full" makes a window for the last elements too, even if it is partial.
    """
    chosen("pooling: pool_type", pool_type, POOLINGS)
    chosen("pooling: pooling_convention", pooling_convention, ("valid", "full"))
    if data.ndim not in (3, 4, 5):
        raise ShapeError(f"pooling: expected images of 3 to 5 axes, given shape {data.shape}")
    axes = data.ndim - 2
    size = data.shape[2:] if global_pool else counts("pooling: kernel", kernel, axes)
    stride = counts("pooling: stride", 1 if global_pool else stride, axes)
    pad = counts("pooling: pad", 0 if global_pool else pad, axes, 0)
    more = {"avg": (count_include_pad,), "lp": (p_value,)}.get(pool_type, ())
    return data.apply(POOLINGS[pool_type], size, stride, pad, pooling_convention == "full", *more)


POOLINGS = {
    "max": images.max_pool,
    "avg": images.avg_pool,
    "sum": images.sum_pool,
    "lp": images.lp_pool,
}


@function
def adaptive_avg_pooling2d(data: NDArray, output_size: Shape = 1) -> NDArray:
    """Images averaged to a size, over windows that overlap where it does not divide theirs."""
    images.check_images("adaptive_avg_pooling2d", data.shape, 2)
    return data.apply(
        images.adaptive_avg_pool, counts("adaptive_avg_pooling2d: output_size", output_size, 2)
    )


@function
def bilinear_resize2d(data: NDArray, height: int, width: int) -> NDArray:
    """Images interpolated linearly; their corners stay where they are."""
    images.check_images("bilinear_resize2d", data.shape, 2)
    return data.apply(
        images.resize_bilinear, counts("bilinear_resize2d: height, width", (height, width), 2)
    )


@function
def up_sampling(data: NDArray, scale: int, sample_type: str = "nearest") -> NDArray:
    """Each element of images `scale` times in both directions; `bilinear_resize2d` interpolates."""
    chosen("up_sampling: sample_type", sample_type, ["nearest"])
    images.check_images("up_sampling", data.shape, 2)
    return data.apply(images.repeat_pixels, count("up_sampling: scale", scale))
