"""Parameters by name: what `collect_params()` gives, and where Gluon 1.x declares them."""

from collections.abc import Iterable
from typing import Any

from nnc.checks import chosen
from nnc.device import place_named
from nnc.dtypes import dtype_name
from nnc.errors import OptionError, ParameterNameError
from nnc.gluon.atomic import Filename
from nnc.gluon.parameter import DEFAULT, Constant, Parameter, warn_kept
from nnc.gluon.parameter_files import load_parameters, save_parameters, some
from nnc.init import Initializer


class ParameterDict(dict[str, Parameter]):
    """A dict of parameters that `get` adds to, as in Gluon 1.x.

    Names begin with `prefix`; a name that `shared` has means its parameter.
    """

    def __init__(self, prefix: str = "", shared: "ParameterDict | None" = None):
        super().__init__()
        self.prefix = prefix
        self.shared = shared

    def __missing__(self, name: str) -> Parameter:
        raise ParameterNameError(f"there is no parameter {name!r}; {places(self)}")

    def get(self, name: str, default: Any = None, **options: Any) -> Any:
        """The parameter of this name, made with the options of `Parameter` if there is none.

        Without options it is the `get` of any dict.
        """
        key = self._found(name)
        if key not in self:
            if not options:
                return super().get(name, default)
            self[key] = Parameter(key, **options)
        found = self[key]
        if options.get("shape") is not None and found.shape is not None:
            found.check_shape(Parameter(key, shape=options["shape"]).shape or ())
        if found.dtype != dtype_name(options.get("dtype", found.dtype)):
            raise OptionError(
                f"parameter '{key}' is {found.dtype} already, given dtype {options['dtype']}"
            )
        return found

    def _found(self, name: str) -> str:
        """The whole name; `shared` is looked into."""
        key = self.prefix + name
        if key not in self and self.shared is not None and key in self.shared:
            self[key] = self.shared[key]
        return key

    def get_constant(self, name: str, value: Any = None) -> Parameter:
        """The constant of this name, made of a value if there is none."""
        key = self._found(name)
        if key not in self and value is not None:
            self[key] = Constant(key, value)
        if key not in self:
            raise OptionError(f"there is no constant '{key}'; give its value")
        return self[key]

    def declared_as(self, name: str, parameter: Parameter, attributes: dict[str, Any]) -> None:
        """A block's attribute has the parameter now, and its name counts from now on."""
        for key in [k for k, p in self.items() if p is parameter and k not in attributes]:
            del self[key]
        self[name] = parameter

    def distinct(self) -> list[Parameter]:
        """Each parameter once, in order."""
        return list(dict.fromkeys(self.values()))

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
        place = place_named("initialize", device, ctx)
        parameters = self.distinct()
        kept = [p for p in parameters if p.initialized and not force_reinit]
        if kept:
            warn_kept(kept)
        for parameter in parameters:
            if parameter not in kept:
                parameter.initialize(None, place, init, force_reinit)

    def zero_grad(self) -> None:
        """Set all gradients to zeros."""
        for parameter in self.distinct():
            if parameter.grad_req != "null":
                parameter.zero_grad()

    def reset_ctx(self, ctx: object) -> None:
        """Move all parameters to another device, before a trainer is made for them."""
        for parameter in self.distinct():
            parameter.reset_ctx(ctx)

    reset_device = reset_ctx

    def list_ctx(self) -> list[Any]:
        """The devices that parameters are on."""
        return list(dict.fromkeys(parameter.device for parameter in self.values()))

    list_device = list_ctx

    def setattr(self, name: str, value: Any) -> None:
        """Set an attribute of all parameters, such as `grad_req` or `lr_mult`."""
        for parameter in self.distinct():
            if not hasattr(parameter, name):
                raise OptionError(f"parameters have no attribute '{name}'")
            setattr(parameter, name, value)

    def save(self, filename: Filename, strip_prefix: str = "") -> None:
        """Write all values, as `Block.save_parameters`, by names without a prefix."""
        named = {name.removeprefix(strip_prefix): p for name, p in self.items()}
        save_parameters(named, filename, False)

    def load(
        self,
        filename: Filename,
        ctx: object = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        restore_prefix: str = "",
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Read values, as `Block.load_parameters`, by names that a file has without a prefix."""
        place = place_named("load", ctx)
        saved = chosen("dtype_source", dtype_source, ("current", "saved")) == "saved" and cast_dtype
        named = {name.removeprefix(restore_prefix): p for name, p in self.items()}
        load_parameters(named, filename, place, allow_missing, ignore_extra, saved)


def places(parameters: Iterable[str]) -> str:
    """What parameters are called."""
    return f"names are places in the network: {some(parameters)}"
