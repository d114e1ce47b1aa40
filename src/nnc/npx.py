"""What MXNet 2 has beside NumPy, `mx.npx`: the functions of `nnc.nd`, devices, and `set_np`."""

from typing import Any

from nnc import nd
from nnc.device import cpu, gpu, num_gpus
from nnc.lowering.pass_specs import did_you_mean
from nnc.random import seed

__all__ = ["cpu", "gpu", "num_gpus", "seed"]


def set_np(shape: bool = True, array: bool = True, dtype: bool = False) -> None:
    """Accepted for MXNet's sake: shapes and arrays are as in NumPy anyway."""


reset_np = set_np


def is_np_array() -> bool:
    """Whether arrays are as in NumPy: yes."""
    return True


is_np_shape = is_np_array


def __getattr__(name: str) -> Any:
    if hasattr(nd, name):
        return getattr(nd, name)
    hint = did_you_mean(name, dir(nd))
    raise AttributeError(f"module 'nnc.npx' has no attribute '{name}'; {hint}")
