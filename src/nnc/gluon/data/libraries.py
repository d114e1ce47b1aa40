"""Libraries that only some data needs."""

import functools
import importlib
from typing import Any

from nnc.errors import OptionError


@functools.cache
def needed(module: str, package: str, what: str) -> Any:
    """The module, or an error that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise OptionError(f"{what} needs {package}: pip install 'nnc[data]'") from None
