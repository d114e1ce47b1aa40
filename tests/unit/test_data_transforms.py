"""Transforms of images, each beside its formula or Pillow; and how people get them wrong."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

import nnc
from nnc import gluon, nd
from nnc.errors import DtypeError, NncError, OptionError, ShapeError
from nnc.gluon import nn
from nnc.gluon.data import random_generator
from nnc.gluon.data.vision import transforms as t
from nnc.gluon.data.vision.images import fitting

Array = np.ndarray[Any, np.dtype[Any]]
PHOTO: Array = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY: Array = PHOTO[:, :, :1]
WEIGHTS = np.array([0.299, 0.587, 0.114])


@pytest.fixture(autouse=True)
def _seed() -> None:
    nnc.random.seed(7)


def draws() -> np.random.Generator:
    """What the next transform draws from, from its beginning."""
    nnc.random.seed(7)
    copy = np.random.default_rng()
    copy.bit_generator.state = random_generator().bit_generator.state
    return copy


def by_pillow(image: Array, size: tuple[int, int], code: int = Image.Resampling.BILINEAR) -> Array:
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling(code)))


# From bytes to numbers.


def test_bytes_become_channels_of_floats() -> None:
    result = t.ToTensor()(PHOTO)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, np.moveaxis(PHOTO, 2, 0) / np.float32(255))
    np.testing.assert_array_equal(t.ToTensor()(PHOTO[None])[0], result)
    half = t.Cast("float16")(PHOTO)
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, PHOTO)


def test_normalize_is_a_shift_and_a_scale_of_each_channel() -> None:
    x = np.random.default_rng(1).random((2, 3, 4, 5), np.float32)
    mean, std = [0.1, 0.2, 0.3], (0.5, 1.0, 2.0)
    expected = (x - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    for image, wanted in ((x, expected), (x[1], expected[1])):
        np.testing.assert_allclose(t.Normalize(mean, std)(image), wanted, 1e-5, 1e-6)
        np.testing.assert_allclose(
            t.Normalize(mean, std)(nd.array(image)).asnumpy(), wanted, 1e-5, 1e-6
        )
    np.testing.assert_allclose(t.Normalize(0.5, 2)(x), (x - 0.5) / 2, rtol=1e-6)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(t.Normalize(mean, std)(wide), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("compose", [t.Compose, t.HybridCompose])
def test_transforms_in_front_of_a_network_are_compiled_with_it(compose: Any) -> None:
    """The step takes bytes, and gives what a network gives for images that the host prepared."""
    first = compose([t.ToTensor(), t.Normalize([0.5, 0.4, 0.3], 0.25)])
    net = nn.HybridSequential(nn.Conv2D(2, 3), nn.Dense(3))
    net.initialize()
    images = np.stack([PHOTO, PHOTO[::-1]])
    expected = net(nd.array(np.stack([first(image) for image in images]))).asnumpy()
    whole = nn.HybridSequential(first, net)
    np.testing.assert_allclose(whole(nd.array(images)).asnumpy(), expected, rtol=1e-5, atol=1e-6)
    trainer = gluon.Trainer(whole.collect_params(), "sgd")
    step = nnc.compile_step(whole, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
    loss = step(nd.array(images), nd.array(np.array([0, 2], np.int32))).asnumpy()
    logarithm = expected - np.log(np.exp(expected).sum(1, keepdims=True))
    np.testing.assert_allclose(loss, [-logarithm[0, 0], -logarithm[1, 2]], rtol=1e-5)
    assert "tensor<2x20x30x3xui8>" in step.ir("frontend")


# Sizes and places.


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4])
def test_resize_is_pillows(code: int) -> None:
    names = ["NEAREST", "BILINEAR", "BICUBIC", "BOX", "LANCZOS"]
    expected = by_pillow(PHOTO, (12, 8), Image.Resampling[names[code]])
    np.testing.assert_array_equal(t.Resize((12, 8), interpolation=code)(PHOTO), expected)
    np.testing.assert_array_equal(
        t.Resize((12, 8), interpolation=code)(GREY)[:, :, 0],
        by_pillow(GREY[:, :, 0], (12, 8), Image.Resampling[names[code]]),
    )
    floats = t.Resize((12, 8), interpolation=code)(PHOTO / np.float32(255))
    np.testing.assert_allclose(floats * 255, expected, atol=1)


def test_integers_are_rounded_when_they_are_resized() -> None:
    deep = PHOTO.astype(np.uint16) * 257
    expected = t.Resize((12, 8))(deep.astype(np.float32))
    np.testing.assert_array_equal(t.Resize((12, 8))(deep), np.rint(expected))


def test_one_number_is_both_sizes_or_the_shorter_edge() -> None:
    for short in range(1, 100):  # 2 / 49 * 49 is less than 2.
        tall = np.zeros((short + 3, short, 1), np.uint8)
        assert t.Resize(7, keep_ratio=True)(tall).shape == (7 * (short + 3) // short, 7, 1)
        assert t.CenterCrop((1000, 500))(tall).shape == (500, 1000, 1)
        assert fitting((1000, 500), tall) == (short, max(1, short // 2))
    assert t.Resize(10)(PHOTO).shape == (10, 10, 3)
    assert t.Resize(10, keep_ratio=True)(PHOTO).shape == (10, 15, 3)
    assert t.Resize(40, keep_ratio=True)(PHOTO).shape == (40, 60, 3)
    assert t.Resize(10)(nd.array(PHOTO)).shape == (10, 10, 3)
    assert t.Resize(10)(Image.fromarray(PHOTO)).shape == (10, 10, 3)
    assert t.Resize(10)(GREY[:, :, 0]).shape == (10, 10, 1)


def test_center_crop() -> None:
    np.testing.assert_array_equal(t.CenterCrop((10, 6))(PHOTO), PHOTO[7:13, 10:20])
    # Too small: the largest part in this proportion, 20 x 20, enlarged.
    np.testing.assert_array_equal(t.CenterCrop(24)(PHOTO), by_pillow(PHOTO[:, 5:25], (24, 24)))


def test_random_crop() -> None:
    generator = draws()
    left, top = generator.integers(30 - 10 + 1), generator.integers(20 - 6 + 1)
    result = t.RandomCrop((10, 6))(PHOTO)
    np.testing.assert_array_equal(result, PHOTO[top : top + 6, left : left + 10])
    assert {t.RandomCrop(20)(PHOTO)[0, 0].tobytes() for _ in range(60)} == {
        PHOTO[0, left].tobytes() for left in range(11)
    }


@pytest.mark.parametrize(
    ("pad", "shape"), [(2, (24, 34)), ((1, 3), (26, 32)), ([1, 2, 3, 4], (26, 34))]
)
def test_random_crop_pads_first(pad: Any, shape: tuple[int, int]) -> None:
    padded = t.RandomCrop((shape[1], shape[0]), pad=pad, pad_value=(9, 8, 7))(PHOTO)
    left, top = (pad, pad) if isinstance(pad, int) else pad[:2]
    assert padded.shape == (*shape, 3)
    np.testing.assert_array_equal(padded[top : top + 20, left : left + 30], PHOTO)
    assert padded[0, 0].tolist() == [9, 8, 7]


def test_random_resized_crop_has_the_area_and_the_ratio() -> None:
    generator = draws()
    area, ratio = 600 * generator.uniform(0.2, 0.5), np.exp(generator.uniform(np.log(0.5), 0))
    width, height = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
    left, top = generator.integers(31 - width), generator.integers(21 - height)
    result = t.RandomResizedCrop(8, (0.2, 0.5), (0.5, 1.0))(PHOTO)
    part = PHOTO[top : top + height, left : left + width]
    np.testing.assert_array_equal(result, by_pillow(part, (8, 8)))
    # No part of an image can be wider than it: the middle.
    wide = t.RandomResizedCrop((12, 4), (1.0, 1.0), (5.0, 5.0))(PHOTO)
    np.testing.assert_array_equal(wide, t.CenterCrop((12, 4))(PHOTO))


def test_crop_resize() -> None:
    part = PHOTO[3:10, 5:9]
    np.testing.assert_array_equal(t.CropResize(5, 3, 4, 7)(PHOTO), part)
    np.testing.assert_array_equal(t.CropResize(5, 3, 4, 7, 8)(PHOTO), by_pillow(part, (8, 8)))
    np.testing.assert_array_equal(
        t.CropResize(5, 3, 4, 7, 8, 0)(PHOTO), by_pillow(part, (8, 8), Image.Resampling.NEAREST)
    )


@pytest.mark.parametrize(
    ("kind", "flipped"),
    [(t.RandomFlipLeftRight, PHOTO[:, ::-1]), (t.RandomFlipTopBottom, PHOTO[::-1])],
)
def test_flips(kind: Any, flipped: Array) -> None:
    np.testing.assert_array_equal(kind(1)(PHOTO), flipped)
    np.testing.assert_array_equal(kind(0)(PHOTO), PHOTO)
    share = np.mean([np.array_equal(kind()(PHOTO), flipped) for _ in range(300)])
    assert 0.4 < share < 0.6


def rotated(image: Array, degrees: float, zoom: int) -> Array:
    """Between the four pixels around where each comes from; NaN where those are not all inside."""
    height, width = image.shape[:2]
    turn = np.exp(1j * np.radians(degrees))
    corner = np.array([width + height * 1j, width - height * 1j]) / 2 * turn
    scale = max(abs(corner.real).max() / (width / 2), abs(corner.imag).max() / (height / 2)) ** zoom
    rows, columns = np.mgrid[:height, :width]
    # The imaginary axis points up, rows count down.
    place = (columns - (width - 1) / 2 - 1j * (rows - (height - 1) / 2)) / turn * scale
    x, y = place.real + (width - 1) / 2, (height - 1) / 2 - place.imag
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (left >= 0) & (top >= 0) & (left < width - 1) & (top < height - 1)
    left, top = np.where(inside, left, 0), np.where(inside, top, 0)
    right, down = (x - left)[..., None], (y - top)[..., None]
    above = image[top, left] * (1 - right) + image[top, left + 1] * right
    below = image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right
    return np.where(inside[..., None], above * (1 - down) + below * down, np.nan)


@pytest.mark.parametrize("degrees", [25.0, -130.0])
@pytest.mark.parametrize("zoom", [0, -1, 1])
def test_rotations_are_linear_between_pixels(degrees: float, zoom: int) -> None:
    floats = PHOTO.astype(np.float32)
    expected = rotated(floats, degrees, zoom)
    inside = ~np.isnan(expected)
    assert inside.mean() > 0.2
    turn = t.Rotate(degrees, zoom_in=zoom == -1, zoom_out=zoom == 1)
    found = np.moveaxis(turn(np.moveaxis(floats, 2, 0)), 0, 2)
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.01)
    np.testing.assert_allclose(turn(PHOTO)[inside], expected[inside], atol=1)


def test_rotations() -> None:
    square = PHOTO[:, :20]
    np.testing.assert_array_equal(t.Rotate(90)(square), np.rot90(square))
    channels = np.moveaxis(square, 2, 0).astype(np.float32)
    np.testing.assert_allclose(t.Rotate(90)(channels), np.rot90(channels, axes=(1, 2)), atol=1e-3)
    np.testing.assert_allclose(t.Rotate(-30)(channels[None])[0], t.Rotate(-30)(channels))
    white = np.full((40, 30, 1), 255, np.uint8)
    assert t.Rotate(30)(white).min() == 0
    assert t.Rotate(30, zoom_in=True)(white)[1:-1, 1:-1].min() == 255
    dotted = np.zeros((41, 41, 1), np.uint8)
    dotted[:3, :3] = 255
    assert t.Rotate(45)(dotted).max() == 0  # The corner is outside,
    assert t.Rotate(45, zoom_out=True)(dotted).max() > 100  # or not.
    angle = draws()
    angle.random()
    turned = t.RandomRotation((-20, 20))(square)
    np.testing.assert_array_equal(turned, t.Rotate(angle.uniform(-20, 20))(square))
    np.testing.assert_array_equal(t.RandomRotation((5, 9), rotate_with_proba=0.0)(square), square)


# Colours.


def factor(strength: float) -> float:
    return draws().uniform(max(0, 1 - strength), 1 + strength)


def test_brightness_contrast_and_saturation() -> None:
    x, a = PHOTO.astype(float), factor(0.4)
    grey = (x @ WEIGHTS)[:, :, None]
    cases = (
        (t.RandomBrightness, a * x),
        (t.RandomContrast, a * x + (1 - a) * grey.mean()),
        (t.RandomSaturation, a * x + (1 - a) * grey),
    )
    for kind, expected in cases:
        nnc.random.seed(7)
        result = kind(0.4)(PHOTO)
        assert result.dtype == np.uint8
        np.testing.assert_allclose(result, np.clip(expected, 0, 255), atol=0.51)
        nnc.random.seed(7)
        floats = kind(0.4)(PHOTO.astype(np.float32))
        np.testing.assert_allclose(floats, expected, rtol=1e-4, atol=1e-3)
        np.testing.assert_array_equal(kind(0)(PHOTO), PHOTO)
        assert kind(0.4)(GREY).shape == GREY.shape


def test_hue_turns_colours_and_keeps_their_lightness() -> None:
    import colorsys

    turn = draws().uniform(-0.3, 0.3)
    result = t.RandomHue(0.3)(PHOTO)
    for y, x in ((0, 0), (3, 17), (19, 29)):
        hue, lightness, saturation = colorsys.rgb_to_hls(*(PHOTO[y, x] / 255))
        expected = colorsys.hls_to_rgb((hue + turn) % 1, lightness, saturation)
        np.testing.assert_allclose(result[y, x] / 255, expected, atol=0.003)
    np.testing.assert_array_equal(t.RandomHue(0.0)(PHOTO), PHOTO)
    np.testing.assert_array_equal(t.RandomHue(0.3)(GREY), GREY)


def test_color_jitter_is_its_parts_in_a_random_order() -> None:
    generator = draws()
    order = generator.permutation(2)
    kinds = [t.RandomBrightness(0.5), t.RandomSaturation(0.5)]
    nnc.random.seed(7)
    random_generator().permutation(2)
    expected = kinds[order[1]](kinds[order[0]](PHOTO))
    nnc.random.seed(7)
    np.testing.assert_array_equal(t.RandomColorJitter(0.5, 0, 0.5)(PHOTO), expected)
    np.testing.assert_array_equal(t.RandomColorJitter()(PHOTO), PHOTO)


def test_lighting_is_noise_along_three_colours() -> None:
    strengths = draws().normal(0, 0.1, 3) * [55.46, 4.794, 1.148]
    vectors = np.array(
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    )
    expected = np.clip(PHOTO + vectors @ strengths, 0, 255)
    np.testing.assert_allclose(t.RandomLighting(0.1)(PHOTO), expected, atol=0.51)
    np.testing.assert_array_equal(t.RandomLighting(0.1)(GREY), GREY)


def test_gray_keeps_the_channels() -> None:
    expected = np.repeat((PHOTO @ WEIGHTS)[:, :, None], 3, axis=2)
    np.testing.assert_allclose(t.RandomGray(1)(PHOTO), expected, atol=0.51)
    np.testing.assert_array_equal(t.RandomGray(0)(PHOTO), PHOTO)


# Together.


def test_compose_and_random_apply() -> None:
    both = t.Compose([t.CenterCrop(10), t.RandomFlipLeftRight(1), np.flipud])
    np.testing.assert_array_equal(both(PHOTO), PHOTO[5:15, 10:20][::-1, ::-1])
    assert both(PHOTO, 3)[1] == 3
    assert (len(both), both[2]) == (3, np.flipud)
    flip = t.RandomFlipLeftRight(1)
    np.testing.assert_array_equal(t.RandomApply(flip, 1)(PHOTO), flip(PHOTO))
    np.testing.assert_array_equal(t.RandomApply([flip], 0)(PHOTO), PHOTO)
    assert t.RandomApply(flip, 0)(PHOTO, 3)[1] == 3
    share = np.mean([np.array_equal(t.RandomApply(flip)(PHOTO), PHOTO) for _ in range(300)])
    assert 0.4 < share < 0.6


MISTAKES: dict[str, tuple[Any, type[NncError], str]] = {
    "size": (lambda: t.Resize("big"), OptionError, "Resize: size: expected an integer or 2 of"),
    "code": (lambda: t.Resize(8, interpolation=7), OptionError, r"4 \(Lanczos\), given 7"),
    "pad": (lambda: t.RandomCrop(8, pad=(1, 2, 3)), OptionError, "pad: expected 1, 2 or 4 numbers"),
    "scale": (lambda: t.RandomResizedCrop(8, (0.5, 0.1)), OptionError, "scale: expected a number"),
    "ratio": (lambda: t.RandomResizedCrop(8, ratio=2), OptionError, "ratio: expected two numbers"),
    "p": (lambda: t.RandomApply([], 2), OptionError, "RandomApply: p: .* at least 0 and at most 1"),
    "strength": (
        lambda: t.RandomHue(-1),
        OptionError,
        "RandomHue: hue: expected a number at least",
    ),
    "zooms": (lambda: t.Rotate(3, True, True), OptionError, "choose one of zoom_in and zoom_out"),
    "std": (lambda: t.Normalize(0, 0), OptionError, "std: expected numbers above 0"),
    "mean": (lambda: t.Normalize("a"), OptionError, "mean: expected a number or one per channel"),
    "function": (lambda: t.Compose([3]), OptionError, "Compose: transforms: expected a function"),
    "host": (
        lambda: t.HybridCompose([t.Resize(3)]),
        OptionError,
        "computes on the host; put it into a Compose",
    ),
    "channels first": (
        lambda: t.Resize(8)(PHOTO.transpose(2, 0, 1)),
        ShapeError,
        r"expected an image \(height, width, channels\) .*, given shape \(3, 20, 30\)",
    ),
    "outside": (
        lambda: t.CropResize(25, 0, 10, 5)(PHOTO),
        ShapeError,
        r"10 x 5 at \(25, 0\) is not inside an image of 30 x 20",
    ),
    "a label": (
        lambda: t.ToTensor()(PHOTO, 3),
        OptionError,
        "given 2 parts of a sample; use dataset.tr",
    ),
    "a row": (lambda: t.ToTensor()(PHOTO[0]), ShapeError, "ToTensor: expected images"),
    "bytes": (lambda: t.Normalize()(PHOTO), DtypeError, "given uint8; put ToTensor before it"),
    "two means": (
        lambda: t.Normalize([1, 2])(np.zeros((3, 4, 4), np.float32)),
        ShapeError,
        r"expected images \(2 channels, height, width\), given \(3, 4, 4\)",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_explained(case: str) -> None:
    call, kind, message = MISTAKES[case]
    with pytest.raises(kind, match=message):
        call()
