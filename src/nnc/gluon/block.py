"""Blocks: networks as trees of layers with parameters."""

import itertools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nnc.arrays.array import NDArray
from nnc.checks import chosen, function
from nnc.device import place_named
from nnc.dtypes import FLOATS, dtype_name
from nnc.errors import DeferredInitializationError, DtypeError, OptionError, ShapeError
from nnc.gluon.atomic import Filename
from nnc.gluon.block_type import BlockType
from nnc.gluon.hooks import Hook, HookHandle, Hooks, array_hook
from nnc.gluon.model_files import load_model, save_model
from nnc.gluon.parameter import DEFAULT, Parameter
from nnc.gluon.parameter_dict import ParameterDict, places
from nnc.gluon.parameter_files import load_parameters, save_parameters
from nnc.init import Initializer
from nnc.recording.tracing import arrays_of

_counts: dict[str, "itertools.count[int]"] = {}


def new_name(kind: type) -> str:
    """The name of the class in lower case, with a number."""
    name = kind.__name__.lower()
    return f"{name}{next(_counts.setdefault(name, itertools.count()))}"


class Block(metaclass=BlockType):
    """A part of a network: attributes that are blocks or parameters are found by their names.

    A subclass implements `forward`.
    """

    prefix: str = ""
    """What Gluon 1.x puts before the names of parameters; here it stands for nothing."""

    def __init__(self, prefix: str | None = None, params: ParameterDict | None = None) -> None:
        """`prefix` is kept for Gluon 1.x; `params.get` of the block looks into `params`."""
        self.prefix = prefix or ""
        self.name = self.prefix.removesuffix("_") or new_name(type(self))
        """The block's own in this process, `dense0`; parameters are called by their place."""
        self._children: dict[str, Block] = {}
        self._parameters = ParameterDict("", params)
        self._hooks = Hooks()

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Block | Parameter):
            if "_children" not in vars(self):
                raise OptionError(
                    f"{type(self).__name__}: call super().__init__() before setting '{name}'"
                )
            if isinstance(value, Block):
                self.register_child(value, name)
            else:
                self._parameters.declared_as(name, value, vars(self))
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
                self._finish()
                self._check_sizes()
                break
        return self._hooks.call(self, args) if self._hooks else self.forward(*args)

    def _finish(self) -> None:
        """Initialize what `infer_shape` found the shape of."""
        for parameter in self._parameters.values():
            if parameter.lacks_sizes and parameter.known:
                parameter.finish(parameter.shape or ())

    def _check_sizes(self) -> None:
        """Raises if a size is still unknown."""
        for name, parameter in self._parameters.items():
            if parameter.lacks_sizes:
                raise DeferredInitializationError(
                    f"{type(self).__name__}: parameter '{name}' has shape {parameter.shape}, and "
                    f"infer_shape() has not found the sizes of 0; define infer_shape(self, x), "
                    f"which sets self.{name}.shape"
                )

    def register_forward_pre_hook(self, hook: Hook) -> HookHandle:
        """Call `hook(block, args)` before each `forward`; `detach()` of the handle ends that.

        In `compile_step` and `compile` hooks run while the program is recorded, with its arrays.
        """
        return HookHandle(self._hooks.before, "register_forward_pre_hook", hook)

    def register_forward_hook(self, hook: Hook) -> HookHandle:
        """Call `hook(block, args, result)` after each `forward`, as `register_forward_pre_hook`."""
        return HookHandle(self._hooks.after, "register_forward_hook", hook)

    def register_op_hook(self, callback: Hook, monitor_all: bool = False) -> HookHandle:
        """Call `callback(name, operation, array)` for each result recorded in `forward`.

        With `monitor_all` also for operands. Bodies of loops and branches are left out.
        """
        function("register_op_hook", callback)
        hook = array_hook(callback, monitor_all)
        return HookHandle(self._hooks.operations, "register_op_hook", hook)

    def share_parameters(self, shared: Mapping[str, Parameter]) -> "Block":
        """Use the parameters of another block, `dense.share_parameters(other.collect_params())`.

        Names are places in the tree; a name that this block lacks is a warning.
        """
        owners = {name: (owner, key) for name, owner, key in self._places()}
        for name, parameter in shared.items():
            if name not in owners:
                warnings.warn(f"share_parameters: there is no parameter '{name}'", stacklevel=2)
                continue
            owner, key = owners[name]
            old = owner._parameters[key]
            if old.shape is not None and parameter.shape is not None:
                old.check_shape(parameter.shape)
            owner._parameters[key] = parameter
            for attribute in [a for a, value in vars(owner).items() if value is old]:
                setattr(owner, attribute, parameter)
        return self

    def _places(self) -> "Iterator[tuple[str, Block, str]]":
        """Each parameter's name, its block, and its name there."""
        for path, block in self.named_blocks():
            for key in block._parameters:
                yield f"{path}.{key}" if path else key, block, key

    def named_blocks(self, prefix: str = "") -> "Iterator[tuple[str, Block]]":
        """The block and all below it, by their places in the tree: "" and `features.0`."""
        yield prefix, self
        for name, child in self._children.items():
            yield from child.named_blocks(f"{prefix}.{name}" if prefix else name)

    def collect_params(self, select: str | None = None) -> ParameterDict:
        """Parameters by their place in the tree, `0.weight`; `select` is a regular expression.

        One that none of the names matches is a warning: it may be of names as in Gluon 1.x.
        """
        self.apply(warn_of_containers)
        try:
            matches = re.compile(select or "").search
        except re.error as error:
            raise OptionError(
                f"collect_params: {select!r} is no regular expression: {error}"
            ) from None
        found = ParameterDict()
        for name, owner, key in self._places():
            parameter = owner._parameters[key]
            if not parameter.initialized:
                parameter.name = name
            if matches(name):
                found[name] = parameter
        if not found and (names := [name for name, *_ in self._places()]):
            warnings.warn(
                f"collect_params: no parameter matches {select!r}; {places(names)}", stacklevel=2
            )
        return found

    @property
    def params(self) -> ParameterDict:
        """The block's own parameters; `params.get(name, shape=…)` declares one, as in 1.x."""
        return self._parameters

    def initialize(
        self,
        init: Initializer | str | None = DEFAULT,
        device: object = None,
        verbose: bool = False,
        force_reinit: bool = False,
        ctx: object = None,
    ) -> None:
        """Initialize all parameters: `init` where a parameter has no initializer of its own.

        Those that are initialized already keep their values, with a warning.
        """
        self.collect_params().initialize(init, device, verbose, force_reinit, ctx)

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
        self.collect_params().reset_ctx(ctx)

    reset_device = reset_ctx

    def zero_grad(self) -> None:
        """Set all gradients to zeros."""
        self.collect_params().zero_grad()

    def setattr(self, name: str, value: Any) -> None:
        """Set an attribute of all parameters, such as `grad_req` or `lr_mult`."""
        self.collect_params().setattr(name, value)

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
        save_parameters(self.collect_params(), filename, deduplicate)

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
        place = place_named("load_parameters", device, ctx)
        saved = chosen("dtype_source", dtype_source, ("current", "saved")) == "saved" and cast_dtype
        parameters = self.collect_params()
        load_parameters(parameters, filename, place, allow_missing, ignore_extra, saved)

    def save(self, prefix: Filename) -> None:
        """Write `PREFIX-model.params`, and `PREFIX-model.json` with the classes of all blocks."""
        save_model(self, prefix)

    def load(self, prefix: Filename) -> None:
        """Read what `save` wrote, into a network of the same blocks."""
        load_model(self, prefix)


class HybridBlock(Block):
    """A block. A subclass implements `forward(self, x)`, or Gluon 1.x's `hybrid_forward`."""

    def _no_hybrid_forward(self, F: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        return self._no_forward()

    hybrid_forward: Callable[..., Any] = _no_hybrid_forward
    """What the block computes of `x`, by functions of `F`, which is `nnc.nd`.

    Parameters come as keyword arguments, by the names of their attributes.
    """

    def _hybrid_forward(self, x: Any, *args: Any) -> Any:
        from nnc import nd

        own = {n: p if p.lacks_sizes else p.data() for n, p in self._parameters.items()}
        try:
            return self.hybrid_forward(nd, x, *args, **own)
        except Exception:
            super()._check_sizes()
            raise

    forward = _hybrid_forward

    def _check_sizes(self) -> None:
        """In `hybrid_forward`, functions such as `F.FullyConnected` find sizes of weights."""
        if type(self).forward is not HybridBlock.forward:
            super()._check_sizes()

    def hybridize(self, active: bool = True, **options: Any) -> None:
        """`export` knows the inputs of calls from now on; every block is compiled anyway."""
        self._hooks.remembers = active

    def export(
        self, path: Filename, epoch: int = 0, remove_amp_cast: bool = True
    ) -> tuple[str, str]:
        """Write `PATH-symbol.mlir` and `PATH-0000.params`, for `SymbolBlock.imports` and `nnc-opt`.

        The program is that of the last call after `hybridize()`: for any number of samples where
        nothing but sizes depends on it, otherwise for those shapes. Returns the names of the files.
        """
        from nnc.gluon.export import export

        form = self._hooks.inputs
        if form is None:
            raise OptionError(
                "export: call net.hybridize() and then the network once, so that the shapes of its "
                "inputs are known"
            )
        return export(self, path, epoch, form)

    def infer_type(self, *args: Any) -> None:
        """Parameters take the dtype of the first input."""
        self.cast(check_array(type(self).__name__, *args[:1]).dtype)

    def optimize_for(self, x: Any, *args: Any, backend: object = None, **options: Any) -> None:
        """Compile the network now for inputs of these shapes and types."""
        if backend is not None:
            raise OptionError(f"optimize_for: nnc is the only backend, given {backend!r}")
        self.hybridize()
        for array in arrays_of("optimize_for", self(x, *args)):
            array.wait_to_read()


def warn_of_containers(block: Block) -> None:
    """Blocks that are only in a list or a dict are not found; they would never be trained."""
    found = [part for _, part in block.named_blocks()]
    for name, value in vars(block).items():
        held = value.values() if isinstance(value, dict) else value
        if name[0] != "_" and isinstance(value, list | tuple | dict) and any_block(held, found):
            warnings.warn(
                f"{type(block).__name__}: the blocks in '{name}' belong to no network, so their "
                "parameters are not found; use a Sequential, or register_child",
                stacklevel=4,
            )


def any_block(values: Iterable[Any], but: Sequence[Block]) -> bool:
    return any(isinstance(value, Block) and value not in but for value in values)


def check_array(name: str, x: object = None) -> NDArray:
    """A layer's input must be an array."""
    if not isinstance(x, NDArray):
        raise ShapeError(
            f"{name}: expected an NDArray, given {type(x).__name__}; convert it with nnc.nd.array"
        )
    return x
