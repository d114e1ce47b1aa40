"""Libraries that only some data needs."""

import importlib
from typing import Any

from nnc.errors import OptionError


def needed(module: str, package: str, what: str) -> Any:
    """The module, or an error that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise OptionError(f"{what} needs {package}: pip install 'nnc[data]'") from None
