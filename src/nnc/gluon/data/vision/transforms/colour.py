"""Random changes of colour. Bytes stay bytes: results are cut to 0 and 255, and rounded."""

import numpy as np

from nnc.checks import number
from nnc.gluon.data.randomness import random_generator
from nnc.gluon.data.vision.images import Image, like
from nnc.gluon.data.vision.transforms.base import ImageTransform, happens, probability

GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""How bright red, green and blue are."""
EIGENVALUES = np.array([55.46, 4.794, 1.148])
EIGENVECTORS = np.array(
    [
        [-0.5675, 0.7192, 0.4009],
        [-0.5808, -0.0045, -0.8140],
        [-0.5836, -0.6948, 0.4203],
    ]
)
"""Of the colours of ImageNet, as in AlexNet and MXNet."""


class ColourTransform(ImageTransform):
    """A change of colours by a random strength."""

    def __init__(self, strength: float):
        super().__init__()
        name = type(self).__name__
        self._strength = number(f"{name}: {name[6:].lower()}", strength, least=0)

    def factor(self) -> np.float32:
        """A number around 1, not below 0."""
        low = max(0.0, 1 - self._strength)
        return np.float32(random_generator().uniform(low, 1 + self._strength))


class RandomBrightness(ColourTransform):
    """`a x`, with `a` from `1 - brightness` to `1 + brightness`."""

    def __init__(self, brightness: float):
        super().__init__(brightness)

    def changed(self, image: Image) -> Image:
        return like(image, image * self.factor())


class RandomContrast(ColourTransform):
    """`a x + (1 - a) m`: `m` is the mean brightness, `a` from `1 - contrast` to `1 + contrast`."""

    def __init__(self, contrast: float):
        super().__init__(contrast)

    def changed(self, image: Image) -> Image:
        factor = self.factor()
        return like(image, image * factor + (1 - factor) * grey(image).mean())


class RandomSaturation(ColourTransform):
    """`a x + (1 - a) grey`, with `a` from `1 - saturation` to `1 + saturation`."""

    def __init__(self, saturation: float):
        super().__init__(saturation)

    def changed(self, image: Image) -> Image:
        factor = self.factor()
        return like(image, image * factor + (1 - factor) * grey(image))


class RandomHue(ColourTransform):
    """The hues turned by a share from `-hue` to `hue` of the circle of colours."""

    def __init__(self, hue: float):
        super().__init__(hue)

    def changed(self, image: Image) -> Image:
        turn = random_generator().uniform(-self._strength, self._strength)
        return image if image.shape[2] == 1 else like(image, turned(image, 6 * turn))


class RandomColorJitter(ImageTransform):
    """Brightness, contrast, saturation and hue changed at random, in a random order."""

    def __init__(
        self, brightness: float = 0, contrast: float = 0, saturation: float = 0, hue: float = 0
    ):
        super().__init__()
        strengths = (brightness, contrast, saturation, hue)
        self._changes = [kind(s) for kind, s in zip(KINDS, strengths, strict=True) if s]

    def changed(self, image: Image) -> Image:
        for position in random_generator().permutation(len(self._changes)):
            image = self._changes[position].changed(image)
        return image


class RandomLighting(ImageTransform):
    """AlexNet's noise of colour: along each eigenvector, normal with `alpha` times eigenvalue."""

    def __init__(self, alpha: float):
        super().__init__()
        self._alpha = number("RandomLighting: alpha", alpha, least=0)

    def changed(self, image: Image) -> Image:
        strengths = random_generator().normal(0, self._alpha, 3) * EIGENVALUES
        if image.shape[2] == 1:
            return image
        return like(image, image + (EIGENVECTORS @ strengths).astype(np.float32))


class RandomGray(ImageTransform):
    """The image without colours, in as many channels, with probability `p`."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self._probability = probability("RandomGray: p", p)

    def changed(self, image: Image) -> Image:
        if not happens(self._probability):
            return image
        return like(image, np.broadcast_to(grey(image), image.shape))


KINDS = (RandomBrightness, RandomContrast, RandomSaturation, RandomHue)


def grey(image: Image) -> Image:
    """How bright the pixels are, (H, W, 1)."""
    return image.astype(np.float32) if image.shape[2] == 1 else (image @ GREY)[:, :, None]


def turned(image: Image, sixths: float) -> Image:
    """Hues turned by sixths of the circle; lightness and saturation stay."""
    rgb = image.astype(np.float32)
    high, low = rgb.max(2), rgb.min(2)
    chroma = high - low
    safe = np.where(chroma > 0, chroma, 1)
    red, green, blue = (rgb[:, :, channel] for channel in range(3))
    hue = np.where(
        high == red,
        (green - blue) / safe,
        np.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    channels = [
        low + chroma * np.clip(np.abs((hue + sixths + shift) % 6 - 3) - 1, 0, 1)
        for shift in (0, 4, 2)
    ]
    return np.stack(channels, axis=2)
