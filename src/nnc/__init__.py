"""nnc: a compiler for neural networks with the Gluon API.

from nnc import autograd, gluon, nd
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnc import (
        amp,
        autograd,
        base,
        checkpoint,
        errors,
        gluon,
        init,
        kvstore,
        lr_scheduler,
        metric,
        monitor,
        nd,
        np,
        npx,
        optimizer,
        profiler,
        random,
        visualization,
    )
    from nnc import init as initializer
    from nnc import kvstore as kv
    from nnc import monitor as mon
    from nnc import visualization as viz
    from nnc.arrays.array import NDArray
    from nnc.compilation.compiler import compile_module
    from nnc.compilation.execution import programs
    from nnc.custom import custom_op
    from nnc.device import cpu, gpu, num_gpus
    from nnc.errors import NncError
    from nnc.functions import compile, compile_step
    from nnc.settings import configure

__version__ = "0.1.0"

__all__ = [
    "NDArray",
    "NncError",
    "amp",
    "autograd",
    "base",
    "checkpoint",
    "compile",
    "compile_module",
    "compile_step",
    "configure",
    "cpu",
    "custom_op",
    "errors",
    "gluon",
    "gpu",
    "init",
    "initializer",
    "kv",
    "kvstore",
    "lr_scheduler",
    "metric",
    "mon",
    "monitor",
    "nd",
    "np",
    "npx",
    "num_gpus",
    "optimizer",
    "profiler",
    "programs",
    "random",
    "visualization",
    "viz",
]

_HOMES = {
    "NDArray": "arrays.array",
    "NncError": "errors",
    "compile": "functions",
    "compile_module": "compilation.compiler",
    "compile_step": "functions",
    "configure": "settings",
    "cpu": "device",
    "custom_op": "custom",
    "gpu": "device",
    "num_gpus": "device",
    "programs": "compilation.execution",
}
_ALIASES = {
    "initializer": "init",
    "kv": "kvstore",
    "mon": "monitor",
    "viz": "visualization",
}
"""More names that MXNet has for a module."""

_GONE = {
    "callback": "nnc.checkpoint",
    "image": "nnc.gluon.data.vision",
    "io": "nnc.gluon.data",
    "mod": "nnc.gluon",
    "module": "nnc.gluon",
    "recordio": "nnc.gluon.data",
    "sym": "nnc.gluon",
    "symbol": "nnc.gluon",
}
"""Modules of MXNet that nnc has none of, and what is used instead."""


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used: the tools need none of them."""
    if name not in __all__:
        hint = _GONE.get(name)
        remedy = f": write it with {hint}, see docs/coming_from_mxnet.md" if hint else ""
        raise AttributeError(f"module 'nnc' has no attribute '{name}'{remedy}")
    home = _HOMES.get(name, _ALIASES.get(name, name))
    module = importlib.import_module(f"nnc.{home}")
    value = getattr(module, name) if name in _HOMES else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
