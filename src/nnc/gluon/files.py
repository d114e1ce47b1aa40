"""Arrays by name in a file: safetensors, written whole or not at all."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes

from nnc.errors import OptionError
from nnc.graph import Memory


def save(filename: str, arrays: Mapping[str, Memory]) -> None:
    """Write the arrays; a file of that name is replaced when all is written."""
    data = to_bytes({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    target = Path(filename)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, target)
        except BaseException:
            os.unlink(file.name)
            raise


def load(filename: str) -> dict[str, Memory]:
    """The arrays of a safetensors file."""
    try:
        return from_bytes(Path(filename).read_bytes())
    except SafetensorError as error:
        raise OptionError(f"{filename} is not a safetensors file: {error}") from None
