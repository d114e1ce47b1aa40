"""Initial values of parameters, by numpy's generator under `nnc.random.seed`."""

import math
from collections.abc import Callable

import numpy as np

from nnc.checks import chosen, is_number, number
from nnc.dtypes import numeric
from nnc.errors import OptionError, ShapeError
from nnc.graph import Memory
from nnc.random import generator

Shape = tuple[int, ...]


class Initializer:
    """Base of initializers: `init(shape)` is an array of initial values in f64."""

    def __call__(self, shape: Shape) -> Memory:
        raise NotImplementedError


class Constant(Initializer):
    """One number, or an array of the parameter's shape."""

    def __init__(self, value: float | Memory):
        self.value = numeric(value, "float64")

    def __call__(self, shape: Shape) -> Memory:
        return self.value if self.value.ndim else np.broadcast_to(self.value, shape)


class Zero(Constant):
    """Zeros."""

    def __init__(self) -> None:
        super().__init__(0.0)


class One(Constant):
    """Ones."""

    def __init__(self) -> None:
        super().__init__(1.0)


class Uniform(Initializer):
    """Uniform in [-scale, scale)."""

    def __init__(self, scale: float = 0.07):
        self.scale = number("Uniform: scale", scale, least=0)

    def __call__(self, shape: Shape) -> Memory:
        return generator.numpy.uniform(-self.scale, self.scale, shape)


class Normal(Initializer):
    """Normal with mean 0 and standard deviation sigma."""

    def __init__(self, sigma: float = 0.01):
        self.sigma = number("Normal: sigma", sigma, least=0)

    def __call__(self, shape: Shape) -> Memory:
        return generator.numpy.normal(0.0, self.sigma, shape)


class Xavier(Initializer):
    """Scale sqrt(magnitude / factor), where factor is fan_in, fan_out or their mean.

    `rnd_type` "uniform" draws from [-scale, scale), "gaussian" with standard deviation scale. The
    fans of a convolution include the area of its kernel.
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3):
        self.rnd_type = chosen("Xavier: rnd_type", rnd_type, ("uniform", "gaussian"))
        self.factor_type = chosen("Xavier: factor_type", factor_type, ("avg", "in", "out"))
        self.magnitude = number("Xavier: magnitude", magnitude, above=0)

    def __call__(self, shape: Shape) -> Memory:
        if len(shape) < 2:
            raise ShapeError(f"Xavier needs a shape of two or more dimensions, given {shape}")
        area = math.prod(shape[2:])
        fans: dict[str, float] = {"in": shape[1] * area, "out": shape[0] * area}
        fans["avg"] = (fans["in"] + fans["out"]) / 2
        scale = math.sqrt(self.magnitude / fans[self.factor_type])
        if self.rnd_type == "uniform":
            return generator.numpy.uniform(-scale, scale, shape)
        return generator.numpy.normal(0.0, scale, shape)


NAMED: dict[str, Callable[[], Initializer]] = {
    "zeros": Zero,
    "zero": Zero,
    "ones": One,
    "one": One,
    "uniform": Uniform,
    "normal": Normal,
    "xavier": Xavier,
}


def initializer(source: object) -> Initializer | None:
    """An initializer given as object, name or number."""
    if isinstance(source, str):
        return NAMED[chosen("initializer", source.lower(), NAMED)]()
    if source is None or isinstance(source, Initializer):
        return source
    if isinstance(source, int | float) and is_number(source):
        return Constant(source)
    raise OptionError(
        "initializer: expected a name, a number or an object like nnc.init.Xavier(), "
        f"given {source!r}"
    )
