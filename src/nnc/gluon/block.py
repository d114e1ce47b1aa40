"""Blocks: networks as trees of layers with parameters."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from nnc.array import NDArray
from nnc.checks import chosen
from nnc.device import place_named
from nnc.dtypes import FLOATS, dtype_name
from nnc.errors import DtypeError, OptionError, ShapeError
from nnc.gluon.atomic import Filename
from nnc.gluon.parameter import Parameter, warn_kept
from nnc.init import Initializer


class Block:
    """A part of a network: attributes that are blocks or parameters are found by their names.

    A subclass implements `forward`.
    """

    def __init__(self) -> None:
        self._children: dict[str, Block] = {}
        self._parameters: dict[str, Parameter] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Block | Parameter):
            if "_children" not in vars(self):
                raise OptionError(
                    f"{type(self).__name__}: call super().__init__() before setting '{name}'"
                )
            if isinstance(value, Block):
                self.register_child(value, name)
            else:
                self._parameters[name] = value
        super().__setattr__(name, value)

    def register_child(self, block: "Block", name: str | None = None) -> None:
        """Add a block whose parameters belong to this one."""
        self._children[str(len(self._children)) if name is None else name] = block

    def _no_forward(self, *args: Any) -> Any:
        raise OptionError(f"{type(self).__name__} must define forward()")

    def _no_unknown_shape(self, *args: Any) -> None:
        pass

    forward: Callable[..., Any] = _no_forward
    """What the block computes."""
    infer_shape: Callable[..., None] = _no_unknown_shape
    """Finishes the block's own parameters whose shape depends on its inputs."""

    def __call__(self, *args: Any) -> Any:
        for x in args:
            if type(x) is np.ndarray:
                check_array(type(self).__name__, x)
        for parameter in self._parameters.values():
            if not parameter.initialized:
                check_array(type(self).__name__, *args[:1])
                self.infer_shape(*args)
                break
        return self.forward(*args)

    def _named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter
        for name, child in self._children.items():
            yield from child._named_parameters(f"{prefix}{name}.")

    def collect_params(self, select: str | None = None) -> dict[str, Parameter]:
        """Parameters by their place in the tree, `0.weight`; `select` is a regular expression."""
        self.apply(warn_of_containers)
        try:
            matches = re.compile(select or "").search
        except re.error as error:
            raise OptionError(
                f"collect_params: {select!r} is no regular expression: {error}"
            ) from None
        found: dict[str, Parameter] = {}
        for name, parameter in self._named_parameters():
            if not parameter.initialized:
                parameter.name = name
            if matches(name):
                found[name] = parameter
        return found

    @property
    def params(self) -> dict[str, Parameter]:
        """The block's own parameters."""
        return dict(self._parameters)

    def initialize(
        self,
        init: Initializer | str | None = None,
        device: object = None,
        verbose: bool = False,
        force_reinit: bool = False,
        ctx: object = None,
    ) -> None:
        """Initialize all parameters: `init`, or Uniform(0.07), where a layer has no own choice.

        Those that are initialized already keep their values, with a warning.
        """
        place = place_named("initialize", device, ctx)
        parameters = list(dict.fromkeys(self.collect_params().values()))
        kept = [p for p in parameters if p.initialized and not force_reinit]
        if kept:
            warn_kept(kept)
        for parameter in parameters:
            if parameter not in kept:
                parameter.initialize(None, place, init, force_reinit)

    def cast(self, dtype: object) -> None:
        """Change the dtype of all parameters; batch norms keep float32 for float16."""
        name = dtype_name(dtype)
        if name not in FLOATS:
            raise DtypeError(f"cast: parameters hold {' or '.join(FLOATS)}, given {name}")
        for child in self._children.values():
            child.cast(name)
        for parameter in self._parameters.values():
            parameter.cast(name)

    def reset_ctx(self, ctx: object) -> None:
        """Move all parameters to another device, before a trainer is made for them."""
        for parameter in self.collect_params().values():
            parameter.reset_ctx(ctx)

    reset_device = reset_ctx

    def zero_grad(self) -> None:
        """Set all gradients to zeros."""
        for parameter in self.collect_params().values():
            if parameter.grad_req != "null":
                parameter.zero_grad()

    def setattr(self, name: str, value: Any) -> None:
        """Set an attribute of all parameters, such as `grad_req` or `lr_mult`."""
        for parameter in self.collect_params().values():
            if not hasattr(parameter, name):
                raise OptionError(f"parameters have no attribute '{name}'")
            setattr(parameter, name, value)

    def apply(self, fn: "Callable[[Block], Any]") -> "Block":
        """Call `fn` on all blocks of the tree, children first."""
        for child in self._children.values():
            child.apply(fn)
        fn(self)
        return self

    def hybridize(self, active: bool = True, **options: Any) -> None:
        """Accepted for Gluon's sake: every block is compiled, and none skips `forward`."""

    def name_scope(self) -> "Block":
        """Accepted for Gluon 1.x; names come from the tree."""
        return self

    def __enter__(self) -> "Block":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __repr__(self) -> str:
        children = "".join(
            f"\n  ({name}): " + repr(child).replace("\n", "\n  ")
            for name, child in self._children.items()
        )
        return f"{type(self).__name__}({self.describe()}{children}{chr(10) if children else ''})"

    def describe(self) -> str:
        """What `repr` says of the block itself."""
        return ""

    def summary(self, *inputs: Any) -> None:
        """Call the network, and print what each block gave and how many numbers it learns."""
        from nnc.gluon.summary import summary

        print(summary(self, inputs))

    def save_parameters(self, filename: Filename, deduplicate: bool = False) -> None:
        """Write all parameters in logical shapes; the file appears when it is complete.

        The format is safetensors, or MXNet's where the name ends in `.params`; MXNet's
        `load_parameters` reads it. With `deduplicate`, a shared parameter is written once.
        """
        from nnc.gluon.parameter_files import save_parameters

        save_parameters(self, filename, deduplicate)

    def load_parameters(
        self,
        filename: Filename,
        device: object = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        cast_dtype: bool = False,
        dtype_source: str = "current",
        ctx: object = None,
    ) -> None:
        """Read parameters by name, onto a device if one is given. All are checked first.

        Values are cast to the parameters' dtype, also without `cast_dtype`, which MXNet asks for;
        with `cast_dtype` and `dtype_source="saved"` parameters take the dtype of the file. Files
        are safetensors or MXNet's; names such as `dense0_weight`, of MXNet's `export` and
        `collect_params().save`, stand for the network's parameters in their order.
        """
        from nnc.gluon.parameter_files import load_parameters

        place = place_named("load_parameters", device, ctx)
        saved = chosen("dtype_source", dtype_source, ("current", "saved")) == "saved" and cast_dtype
        load_parameters(self, filename, place, allow_missing, ignore_extra, saved)


class HybridBlock(Block):
    """A block. Gluon 1.x's `hybrid_forward(F, x, weight=…)` works too."""

    def _hybrid_forward(self, x: Any, *args: Any) -> Any:
        from nnc import nd

        hybrid_forward = getattr(self, "hybrid_forward", None)
        if hybrid_forward is None:
            return self._no_forward()
        own = {name: parameter.data() for name, parameter in self._parameters.items()}
        return hybrid_forward(nd, x, *args, **own)

    forward = _hybrid_forward


class Sequential(Block):
    """Blocks called one after the other."""

    def add(self, *blocks: Block | Callable[..., Any]) -> None:
        for block in blocks:
            if not isinstance(block, Block):
                raise OptionError(
                    f"add: expected blocks, given {block!r:.40}; a list goes with a star, a class "
                    "is called first, a function is wrapped in Lambda"
                )
            self.register_child(block)

    def __init__(self, *blocks: Block) -> None:
        super().__init__()
        self.add(*blocks)

    def forward(self, *args: Any) -> Any:
        for block in self._children.values():
            args = (block(*args),)
        return args[0]

    def __getitem__(self, key: int | slice) -> "Block":
        blocks = list(self._children.values())
        return type(self)(*blocks[key]) if isinstance(key, slice) else blocks[key]

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Block]:
        return iter(self._children.values())


class HybridSequential(Sequential, HybridBlock):
    """Blocks called one after the other."""


def warn_of_containers(block: Block) -> None:
    """Blocks in a list or a dict are not found; they would never be trained."""
    for name, value in vars(block).items():
        held = value.values() if isinstance(value, dict) else value
        if name[0] != "_" and isinstance(value, list | tuple | dict) and any_block(held):
            warnings.warn(
                f"{type(block).__name__}: the blocks in '{name}' belong to no network, so their "
                "parameters are not found; use a Sequential, or register_child",
                stacklevel=4,
            )


def any_block(values: Iterable[Any]) -> bool:
    return any(isinstance(value, Block) for value in values)


def check_array(name: str, x: object = None) -> NDArray:
    """A layer's input must be an array."""
    if not isinstance(x, NDArray):
        raise ShapeError(
            f"{name}: expected an NDArray, given {type(x).__name__}; convert it with nnc.nd.array"
        )
    return x
