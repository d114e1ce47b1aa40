"""Initial values of parameters, by numpy's generator under `nnc.random.seed`."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from nnc.checks import chosen, count, is_number, number
from nnc.dtypes import numeric
from nnc.errors import OptionError, ShapeError
from nnc.random import generator
from nnc.recording.graph import Memory

Shape = tuple[int, ...]


class Initializer:
    """Base of initializers. A subclass defines `__call__(shape)`, which gives an array in f64.

    Or, as in MXNet, `_init_weight(name, array)`, which writes into an array of nnc.
    """

    by_name = False
    """Whether it chooses by names, and so counts before what a layer has chosen itself."""

    def __init__(self, **options: Any):
        """Options are taken for MXNet's sake; a subclass keeps what it needs."""

    def __call__(self, shape: Shape) -> Memory:
        raise OptionError(f"{type(self).__name__} must define __call__() or _init_weight()")

    def values(self, name: str, shape: Shape) -> Memory:
        """The initial values of the parameter called `name`."""
        write = getattr(self, "_init_weight", None)
        if write is None:
            return self(shape)
        from nnc import autograd, nd

        with autograd.pause():
            filled = nd.zeros(shape)
            write(name, filled)
            return filled.asnumpy()


InitializerT = TypeVar("InitializerT", bound=Initializer)
NAMED: dict[str, Callable[..., Initializer]] = {}


def register(klass: type[InitializerT]) -> type[InitializerT]:
    """Make an initializer known by the name of its class."""
    NAMED[klass.__name__.lower()] = klass
    return klass


def alias(*names: str) -> Callable[[type[InitializerT]], type[InitializerT]]:
    """Make an initializer known by more names."""

    def named(klass: type[InitializerT]) -> type[InitializerT]:
        NAMED.update(dict.fromkeys(names, klass))
        return klass

    return named


@register
class Constant(Initializer):
    """One number, or an array of the parameter's shape."""

    def __init__(self, value: float | Memory):
        self.value = numeric(value, "float64")

    def __call__(self, shape: Shape) -> Memory:
        return self.value if self.value.ndim else np.broadcast_to(self.value, shape)


@alias("zeros")
@register
class Zero(Constant):
    """Zeros."""

    def __init__(self) -> None:
        super().__init__(0.0)


@alias("ones")
@register
class One(Constant):
    """Ones."""

    def __init__(self) -> None:
        super().__init__(1.0)


@register
class Uniform(Initializer):
    """Uniform in [-scale, scale)."""

    def __init__(self, scale: float = 0.07):
        self.scale = number("Uniform: scale", scale, least=0)

    def __call__(self, shape: Shape) -> Memory:
        return generator.numpy.uniform(-self.scale, self.scale, shape)


@register
class Normal(Initializer):
    """Normal with mean 0 and standard deviation sigma."""

    def __init__(self, sigma: float = 0.01):
        self.sigma = number("Normal: sigma", sigma, least=0)

    def __call__(self, shape: Shape) -> Memory:
        return generator.numpy.normal(0.0, self.sigma, shape)


@register
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


@register
class MSRAPrelu(Xavier):
    """Normal with standard deviation `sqrt(2 / ((1 + slope²) factor))`, for layers before PReLU.

    With slope 0 it is for relu, as PyTorch's `kaiming_normal_` is.
    """

    def __init__(self, factor_type: str = "avg", slope: float = 0.25):
        slope = number("MSRAPrelu: slope", slope)
        super().__init__("gaussian", factor_type, 2 / (1 + slope**2))


@register
class Orthogonal(Initializer):
    """`scale` times a matrix with orthogonal rows or columns, whichever are fewer.

    Rows are the first axis, columns all others.
    """

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform"):
        self.scale = number("Orthogonal: scale", scale)
        self.rand_type = chosen("Orthogonal: rand_type", rand_type, ("uniform", "normal"))

    def __call__(self, shape: Shape) -> Memory:
        if len(shape) < 2:
            raise ShapeError(f"Orthogonal needs a shape of two or more dimensions, given {shape}")
        sizes = shape[0], math.prod(shape[1:])
        if self.rand_type == "uniform":
            drawn = generator.numpy.uniform(-1, 1, sizes)
        else:
            drawn = generator.numpy.normal(size=sizes)
        left, _, right = np.linalg.svd(drawn, full_matrices=False)
        return self.scale * (left if left.shape == sizes else right).reshape(shape)


@register
class LSTMBias(Initializer):
    """Zeros, but for `forget_bias` in the second quarter: the forget gate of an LSTM."""

    def __init__(self, forget_bias: float = 1.0):
        self.forget_bias = number("LSTMBias: forget_bias", forget_bias)

    def __call__(self, shape: Shape) -> Memory:
        if len(shape) != 1 or shape[0] % 4:
            raise ShapeError(f"LSTMBias needs a vector for 4 gates, given shape {shape}")
        return self.forget_bias * np.repeat([0.0, 1.0, 0.0, 0.0], shape[0] // 4)


@register
class Bilinear(Initializer):
    """Kernels (…, H, W) with which a transposed convolution enlarges images by interpolation."""

    def __call__(self, shape: Shape) -> Memory:
        if len(shape) != 4:
            raise ShapeError(f"Bilinear needs a shape of 4 dimensions, given {shape}")
        half = math.ceil(shape[3] / 2)
        center = (2 * half - 1 - half % 2) / (2 * half)
        tall, wide = (1 - abs(np.arange(size) / half - center) for size in shape[2:])
        return np.broadcast_to(np.outer(tall, wide), shape)


@register
class RNNFused(Initializer):
    """A vector of all weights, then all biases, of recurrent layers, each by its initializer.

    Layer by layer and direction by direction: i2h, h2h and, of a projection, h2r. It is for
    programs that keep them in one vector; the layers of `gluon.rnn` have parameters of their own.
    """

    def __init__(
        self,
        mode: str,
        num_layers: int,
        state_size: int,
        bidirectional: bool = False,
        projection_size: int | None = None,
        i2h_weight_initializer: "Initializer | str | None" = None,
        h2h_weight_initializer: "Initializer | str | None" = None,
        i2h_bias_initializer: "Initializer | str | None" = None,
        h2h_bias_initializer: "Initializer | str | None" = None,
        h2r_weight_initializer: "Initializer | str | None" = None,
    ):
        self.gates = GATES[chosen("RNNFused: mode", mode, GATES)]
        self.num_layers = count("RNNFused: num_layers", num_layers)
        self.state_size = count("RNNFused: state_size", state_size)
        self.directions = 2 if bidirectional else 1
        self.projection = projection_size
        weights = i2h_weight_initializer, h2h_weight_initializer, h2r_weight_initializer
        self.weights = [initializer(source) or Uniform() for source in weights]
        biases = i2h_bias_initializer, h2h_bias_initializer
        self.biases = [initializer(source) or Zero() for source in biases]

    def __call__(self, shape: Shape) -> Memory:
        parts = self.parts(math.prod(shape))
        if parts is None:
            raise ShapeError(f"RNNFused: no size of inputs makes a vector of shape {shape}")
        return np.concatenate([source(sizes).reshape(-1) for source, sizes in parts])

    def parts(self, total: int) -> list[tuple[Initializer, Shape]] | None:
        """The matrices and vectors in a vector of this size, or None."""
        rows, given = self.gates * self.state_size, self.projection or self.state_size
        known = self._parts(rows, given, 0)
        rest = total - sum(math.prod(sizes) for _, sizes in known)
        width, over = divmod(rest, rows * self.directions)
        return None if over or width < 1 else self._parts(rows, given, width)

    def _parts(self, rows: int, given: int, width: int) -> list[tuple[Initializer, Shape]]:
        found: list[tuple[Initializer, Shape]] = []
        for layer in range(self.num_layers):
            inputs = given * self.directions if layer else width
            shapes = [(rows, inputs), (rows, given), (given, self.state_size)]
            used = shapes if self.projection else shapes[:2]
            found += list(zip(self.weights, used, strict=False)) * self.directions
        return found + [(source, (rows,)) for source in self.biases] * (
            self.num_layers * self.directions
        )


GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


class Mixed(Initializer):
    """For each parameter the initializer that belongs to the first pattern found in its name.

    Patterns are regular expressions; parameters are called `0.weight`. What they choose counts
    before what a layer has chosen itself.
    """

    by_name = True

    def __init__(self, patterns: Sequence[str], initializers: Sequence[object]):
        if len(patterns) != len(initializers):
            raise OptionError(
                f"Mixed: {len(patterns)} patterns, but {len(initializers)} initializers"
            )
        self.patterns = list(patterns)
        self.initializers = [initializer(source) or Uniform() for source in initializers]

    def values(self, name: str, shape: Shape) -> Memory:
        for pattern, source in zip(self.patterns, self.initializers, strict=True):
            if re.search(pattern, name):
                return source.values(name, shape)
        raise OptionError(
            f"Mixed: parameter '{name}' matches none of {', '.join(self.patterns)}; "
            "add '.*' with a default at the end"
        )


class Load(Initializer):
    """The values of a file, or of a dict of arrays, by name; `default_init` for other parameters.

    Names may begin with MXNet's `arg:` or `aux:`. What is loaded counts before what a layer has
    chosen itself.
    """

    by_name = True

    def __init__(
        self,
        param: str | Mapping[str, Any],
        default_init: "Initializer | str | None" = None,
        verbose: bool = False,
    ):
        if isinstance(param, str):
            from nnc.gluon.files import load

            param = load(param)
        self.param = {re.sub("^(arg|aux):", "", name): array for name, array in param.items()}
        self.default_init = initializer(default_init)
        self.verbose = verbose

    def values(self, name: str, shape: Shape) -> Memory:
        found = self.param.get(name)
        if self.verbose:
            print(f"{name}: {'default' if found is None else 'loaded'}")
        if found is not None:
            return numeric(np.asarray(found), "float64")
        if self.default_init is None:
            raise OptionError(f"Load: no values of parameter '{name}', and no default_init")
        return self.default_init.values(name, shape)


def create(init: object, *args: Any, **kwargs: Any) -> Initializer:
    """The initializer called `init` with these options; an object is itself."""
    if isinstance(init, str):
        kind = NAMED[chosen("initializer", init.lower(), NAMED)]
        try:
            return kind(*args, **kwargs)
        except TypeError as error:
            raise OptionError(f"initializer '{init}': {error}") from None
    if isinstance(init, Initializer) and not (args or kwargs):
        return init
    raise OptionError(
        "initializer: expected a name, a number or an object like nnc.init.Xavier(), "
        f"given {init!r}"
    )


def initializer(source: object) -> Initializer | None:
    """An initializer given as object, name or number."""
    if source is None:
        return None
    if isinstance(source, int | float) and is_number(source):
        return Constant(source)
    return create(source)
