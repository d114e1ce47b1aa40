"""Parameters: arrays that a trainer updates, whose shape may be known only at the first call."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnc import init as initializers
from nnc.arrays.array import NDArray, gradient_of
from nnc.checks import number, sizes_of
from nnc.compilation.variable import Layout, Variable
from nnc.device import place_named
from nnc.dtypes import FLOATS, dtype_name, numeric
from nnc.errors import DeferredInitializationError, DeviceError, GradientError, ShapeError
from nnc.init import Initializer
from nnc.recording.graph import type_of
from nnc.recording.slot import check_grad_req, zeros
from nnc.runtime.device import HOST, Place, entered

Shape = tuple[int, ...]
DEFAULT = initializers.Uniform()
"""What initializes a parameter that nobody says anything of."""


class Parameter:
    """A named array of a network.

    Sizes of 0 in `shape` are unknown until the first call. `grad_req` is "write", "add" or "null".
    """

    def __init__(
        self,
        name: str = "weight",
        grad_req: str = "write",
        shape: int | Shape | None = None,
        dtype: object = "float32",
        lr_mult: float = 1.0,
        wd_mult: float = 1.0,
        init: Initializer | str | None = None,
        allow_deferred_init: bool = False,
        differentiable: bool = True,
        stype: str = "default",
        grad_stype: str = "default",
    ):
        self.name = name
        self.lr_mult = number(f"parameter '{name}': lr_mult", lr_mult)
        self.wd_mult = number(f"parameter '{name}': wd_mult", wd_mult)
        self.init = initializers.initializer(init)
        self.allow_deferred_init = allow_deferred_init
        self.layout: Layout | None = None
        """How the values lie in memory: dimension i holds dimension `layout[i]`."""
        self._shape = None if shape is None else sizes_of(f"parameter '{name}'", shape)
        self._dtype = dtype_name(dtype)
        self.differentiable = differentiable
        """Whether it can have a gradient; `grad_req` is "null" otherwise, whatever is set."""
        self._grad_req = self._request(grad_req)
        self._variable: Variable | None = None
        self._deferred: Initializer | None = None
        """What will initialize the parameter once its shape is known."""
        self._device: Place = HOST

    def __repr__(self) -> str:
        return f"Parameter {self.name} (shape={self.shape}, dtype={self._dtype})"

    @property
    def shape(self) -> Shape | None:
        return self._shape

    @shape.setter
    def shape(self, shape: Shape) -> None:
        self.check_shape(shape)
        self._shape = tuple(shape)

    def check_shape(self, shape: Shape) -> None:
        """Raises unless the sizes that are known are these."""
        old = self._shape
        if old is not None and (
            len(old) != len(shape) or any(a not in (0, b) for a, b in zip(old, shape, strict=True))
        ):
            raise ShapeError(f"parameter '{self.name}': expected shape {old}, given {shape}")

    @property
    def known(self) -> bool:
        """Whether all sizes are."""
        return self._shape is not None and all(size > 0 for size in self._shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self._dtype)

    @property
    def grad_req(self) -> str:
        return self._grad_req

    @grad_req.setter
    def grad_req(self, request: str) -> None:
        self._grad_req = self._request(request)
        if self._variable is not None:
            self._attach(self._variable)

    def _request(self, request: str) -> str:
        return check_grad_req(request) if self.differentiable else "null"

    def initialize(
        self,
        init: Initializer | str | None = None,
        device: object = None,
        default_init: Initializer | str | None = DEFAULT,
        force_reinit: bool = False,
        ctx: object = None,
    ) -> None:
        """Fill the parameter, now or when its shape is known.

        The parameter's own `init` counts first, then `init`, then `default_init`; but what goes by
        names (`init.Mixed`, `init.Load`) before all.
        """
        if self._variable is not None and not force_reinit:
            warn_kept([self])
            return
        place = place_named("initialize", device, ctx) or entered()
        if place is not None:
            self.reset_ctx(place)
        given = (initializers.initializer(source) for source in (self.init, init, default_init))
        choices = [one for one in given if one is not None]
        chosen = next((one for one in choices if one.by_name), (choices or [DEFAULT])[0])
        if self.known:
            self._fill(chosen)
        elif self.allow_deferred_init:
            self._deferred = chosen
        else:
            raise DeferredInitializationError(
                f"parameter '{self.name}' has shape {self._shape}: give its sizes, or "
                "allow_deferred_init=True to find them at the first call"
            )

    def finish(self, shape: Shape) -> None:
        """The shape is known: initialize now if that was deferred."""
        self.shape = shape
        if self._variable is None and self._deferred is not None:
            self._fill(self._deferred)

    def _fill(self, source: Initializer) -> None:
        assert self._shape is not None
        type_of(self._shape, self._dtype)  # Too many elements are found before there is memory.
        values = numeric(source.values(self.name, self._shape), self._dtype)
        self.check_shape(values.shape)
        self._hold(values)

    def _hold(self, values: np.ndarray[Any, Any]) -> None:
        """Make the memory, or write into what there is."""
        if self._variable is not None:
            self._variable.set(values)
            return
        role = "state" if self._grad_req == "null" else "parameter"
        self._variable = Variable(self.name, role, values, self.layout, self._device)
        self._attach(self._variable)
        self._deferred = None

    def _attach(self, variable: Variable) -> None:
        if self._grad_req == "null" or self._dtype not in FLOATS:
            variable.detach_grad()
        else:
            variable.attach_grad(self._grad_req)

    @property
    def variable(self) -> Variable:
        """The memory; an error says why there is none yet."""
        if self._variable is not None:
            return self._variable
        if self._deferred is not None:
            raise DeferredInitializationError(
                f"parameter '{self.name}' has shape {self._shape}: sizes of 0 are known after the "
                "first call of the network; call it once, or give in_units or in_channels"
            )
        raise DeferredInitializationError(
            f"parameter '{self.name}' has not been initialized; call net.initialize() first"
        )

    @property
    def lacks_sizes(self) -> bool:
        """Whether it is initialized as soon as its shape is known."""
        return self._deferred is not None

    @property
    def initialized(self) -> bool:
        return self._variable is not None

    @property
    def device(self) -> Place:
        """Where the values are, or will be."""
        return self._device

    def list_ctx(self) -> list[Place]:
        """The devices the values are on: one."""
        return [self._device]

    list_device = list_ctx

    def reset_ctx(self, ctx: object) -> None:
        """Move the values to another device, before a trainer is made for them."""
        place = place_named("reset_ctx", ctx) or HOST
        if place is self._device:
            return
        values = self._variable.asnumpy() if self._variable is not None else None
        self._device, self._variable = place, None
        if values is not None:
            self._hold(values)

    reset_device = reset_ctx

    def data(self, device: object = None, ctx: object = None) -> NDArray:
        """The values: an array that shows every update. `copy()` of it is a snapshot."""
        place = place_named("data", device, ctx)
        if place not in (None, self._device):
            raise DeviceError(
                f"parameter '{self.name}' is on {self._device}, not on {place}; "
                f"move it with reset_ctx(nnc.{place})"
            )
        return self.variable

    def list_data(self) -> list[NDArray]:
        return [self.data()]

    def var(self) -> NDArray:
        """What stands for the parameter in a program: its values."""
        return self.variable

    def grad(self, device: object = None) -> NDArray:
        """The gradient of the last `backward`: an array that shows every new one while it is held.

        Without such an array, `step` uses the gradient and does not keep it.
        """
        if self._grad_req == "null":
            raise GradientError(f"parameter '{self.name}' has no gradient: its grad_req is 'null'")
        return gradient_of(self.variable.current)

    def list_grad(self) -> list[NDArray]:
        return [self.grad()]

    def set_data(self, data: Any) -> None:
        """Copy values of the parameter's shape, in any dtype that numpy can cast."""
        values = numeric(data.asnumpy() if isinstance(data, NDArray) else data, self._dtype)
        self.shape = values.shape
        self._hold(values)

    def zero_grad(self) -> None:
        """Set the gradient to zeros; where there is none yet, it will be zeros anyway."""
        if self._variable is not None and self._variable.slot is not None:
            self._variable.slot.set(zeros(self._variable.current))

    def cast(self, dtype: object) -> None:
        """Change the dtype, keeping the values."""
        values = self._variable.asnumpy() if self._variable is not None else None
        self._dtype, self._variable = dtype_name(dtype), None
        if values is not None:
            self._hold(values.astype(self._dtype))


class Constant(Parameter):
    """A parameter that is never trained: values that a network needs, saved with it."""

    def __init__(self, name: str, value: Any):
        values = value.asnumpy() if isinstance(value, NDArray) else numeric(value)
        super().__init__(
            name, "null", values.shape, values.dtype, init=initializers.Constant(values),
            differentiable=False,
        )  # fmt: skip
        self.value = values

    def __repr__(self) -> str:
        return f"Constant {self.name} (shape={self.shape}, dtype={self.dtype})"


def warn_kept(parameters: "Sequence[Parameter]") -> None:
    """Initializing twice is usually a mistake, and never a silent reset."""
    names = ", ".join(f"'{p.name}'" for p in parameters[:5]) + ", …" * (len(parameters) > 5)
    warnings.warn(
        f"parameters are already initialized and keep their values: {names}; pass "
        "force_reinit=True to draw new ones",
        stacklevel=3,
    )


def __getattr__(name: str) -> Any:
    """`ParameterDict`, which MXNet has here and which needs this module."""
    if name == "ParameterDict":
        from nnc.gluon.parameter_dict import ParameterDict

        return ParameterDict
    raise AttributeError(f"module 'nnc.gluon.parameter' has no attribute '{name}'")
