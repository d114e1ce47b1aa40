"""What a workload is: seeded parameters, seeded inputs, and a forward function over an op set."""

import math
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
SEED = 1234


def is_state(name: str) -> bool:
    """Whether a parameter is a batch-norm statistic, which no optimizer touches."""
    return name.endswith((".rm", ".rv"))


def channels_last(array: Array) -> Array:
    """An input as NHWC peers take it: images transposed, integers as int32."""
    if array.ndim == 4:
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1))
    return array.astype(np.int32) if array.dtype.kind == "i" else array


class Workload:
    """A computation written once, against an abstract op set that each peer supplies.

    Layouts are NCHW and OIHW at this level; a peer may use its own inside its ops. `forward`
    returns the output (inference) or the scalar loss (training).
    """

    kind: Literal["infer", "train"] = "infer"
    opt: Literal["sgd", "adam"] | None = None
    """`sgd` has momentum 0.9."""
    lr = 0.01
    const_params = True
    """False where all operands are inputs and nothing may be packed beforehand."""
    rtol, atol = 2e-3, 2e-4
    out_bytes = 0

    def __init__(self, name: str, **fields: Any) -> None:
        self.name = name
        self.__dict__.update(fields)
        self._params: dict[str, Array] = {}
        self._generator = self.generator()

    def generator(self, salt: int = 0) -> np.random.Generator:
        return np.random.default_rng(SEED + salt)

    def params(self) -> dict[str, Array]:
        """The parameters by name; the same values in every process."""
        if not self._params:
            self._generator = self.generator()
            self.build()
        return dict(self._params)

    def inputs(self, draw: int = 0) -> list[Array]:
        """The inputs of draw number `draw`; the same values in every process."""
        return self.draw(self.generator(1 + draw))

    def build(self) -> None:
        """Add the parameters."""

    def draw(self, random: np.random.Generator) -> list[Array]:
        raise NotImplementedError

    def forward(self, ops: Any, params: dict[str, Any], *inputs: Any, train: bool = False) -> Any:
        raise NotImplementedError

    def bytes(self) -> int:
        """Compulsory traffic: inputs, output, and parameters with gradient and optimizer state."""
        touches = {None: 1, "sgd": 6, "adam": 8}[self.opt]
        parameters = sum(value.nbytes for value in self.params().values())
        return parameters * touches + sum(x.nbytes for x in self.inputs()) + self.out_bytes

    def image(self, random: np.random.Generator, *shape: int) -> Array:
        return random.standard_normal(shape).astype(np.float32)

    def labels(self, random: np.random.Generator, count: int, classes: int) -> list[Array]:
        """Class labels when training, else nothing."""
        return [random.integers(0, classes, count)] if self.kind == "train" else []

    def add(self, name: str, shape: tuple[int, ...], scale: float | None = None) -> None:
        if scale is None:
            scale = math.sqrt(1.0 / math.prod(shape[1:] or shape))
        self._params[name] = (self._generator.standard_normal(shape) * scale).astype(np.float32)

    def add_constant(self, name: str, size: int, value: float) -> None:
        self._params[name] = np.full(size, value, np.float32)

    def add_linear(self, name: str, out: int, inner: int) -> None:
        self.add(name + ".w", (out, inner))
        self.add_constant(name + ".b", out, 0)

    def add_conv(self, name: str, out: int, inner: int, kernel: int) -> None:
        scale = math.sqrt(2.0 / (inner * kernel * kernel))
        self.add(name + ".w", (out, inner, kernel, kernel), scale)

    def add_layer_norm(self, name: str, size: int) -> None:
        self.add_constant(name + ".g", size, 1)
        self.add_constant(name + ".b", size, 0)

    def add_batch_norm(self, name: str, size: int) -> None:
        self.add_layer_norm(name, size)
        self.add_constant(name + ".rm", size, 0)
        self.add_constant(name + ".rv", size, 1)
