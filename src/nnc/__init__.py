"""nnc: a compiler for neural networks with the Gluon API.

from nnc import autograd, gluon, nd
"""

import importlib
import sys
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnc import (
        amp,
        autograd,
        base,
        checkpoint,
        contrib,
        errors,
        gluon,
        image,
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
    from nnc import device as context
    from nnc import init as initializer
    from nnc import kvstore as kv
    from nnc import monitor as mon
    from nnc import nd as ndarray
    from nnc import np as numpy
    from nnc import npx as numpy_extension
    from nnc import visualization as viz
    from nnc.arrays.array import NDArray
    from nnc.compilation.compiler import compile_module
    from nnc.compilation.execution import programs
    from nnc.custom import custom_op
    from nnc.device import Context, cpu, cpu_pinned, current_context, gpu, num_gpus
    from nnc.errors import NncError
    from nnc.functions import compile, compile_step
    from nnc.settings import configure

__version__ = "0.1.0"

__all__ = [
    "Context",
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
    "context",
    "contrib",
    "cpu",
    "cpu_pinned",
    "current_context",
    "custom_op",
    "errors",
    "gluon",
    "gpu",
    "image",
    "init",
    "initializer",
    "kv",
    "kvstore",
    "lr_scheduler",
    "metric",
    "mon",
    "monitor",
    "nd",
    "ndarray",
    "np",
    "npx",
    "num_gpus",
    "numpy",
    "numpy_extension",
    "optimizer",
    "profiler",
    "programs",
    "random",
    "visualization",
    "viz",
]

_HOMES = {
    "Context": "device",
    "NDArray": "arrays.array",
    "NncError": "errors",
    "compile": "functions",
    "compile_module": "compilation.compiler",
    "compile_step": "functions",
    "configure": "settings",
    "cpu": "device",
    "cpu_pinned": "device",
    "current_context": "device",
    "custom_op": "custom",
    "gpu": "device",
    "num_gpus": "device",
    "programs": "compilation.execution",
}
_ALIASES = {
    "kv": "kvstore",
    "mon": "monitor",
    "viz": "visualization",
}
"""More names that MXNet has for a module."""

_GONE = {
    "callback": "nnc.checkpoint",
    "io": "nnc.gluon.data",
    "mod": "nnc.gluon",
    "module": "nnc.gluon",
    "operator": "nnc.autograd.Function or nnc.custom_op",
    "recordio": "nnc.gluon.data",
    "rnn": "nnc.gluon.rnn",
    "sym": "nnc.gluon",
    "symbol": "nnc.gluon",
    "test_utils": "numpy.testing, and nnc.autograd.check_gradient",
}
"""Modules of MXNet that nnc has none of, and what is used instead."""


def _lacks(name: str) -> str:
    """What is said of a name that nnc lacks."""
    hint = _GONE.get(name)
    remedy = f": write it with {hint}, see docs/coming_from_mxnet.md" if hint else ""
    return f"module 'nnc' has no attribute '{name}'{remedy}"


class _Gone(MetaPathFinder):
    """Asked last: `import nnc.sym` is answered like `nnc.sym`."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        package, _, name = fullname.rpartition(".")
        if package == "nnc" and name in _GONE:
            raise ModuleNotFoundError(_lacks(name), name=fullname)


sys.meta_path.append(_Gone())


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used: the tools need none of them."""
    if name not in __all__:
        raise AttributeError(_lacks(name))
    home = _HOMES.get(name, _ALIASES.get(name, name))
    module = importlib.import_module(f"nnc.{home}")
    value = getattr(module, name) if name in _HOMES else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
