"""Normalizations of arrays, named as in MXNet."""

from typing import Any

from nnc.array_functions.wrapping import function
from nnc.arrays.arithmetic import Axis
from nnc.arrays.array import NDArray, as_array
from nnc.checks import chosen, count, number
from nnc.operators import norm as norms
from nnc.recording.graph import Operation
from nnc.recording.recorder import record


def _affine(operation: Operation, data: NDArray, gamma: Any, beta: Any, *settings: Any) -> NDArray:
    inputs = [as_array(x).current for x in (data.as_float(), gamma, beta)]
    return NDArray(record(operation, inputs, settings)[0])


def _epsilon(name: str, eps: float) -> float:
    """What is added to a variance."""
    return number(f"{name}: eps", eps, least=0)


@function
def layer_norm(
    data: NDArray, gamma: NDArray, beta: NDArray, axis: Axis = -1, eps: float = 1e-5
) -> NDArray:
    """`gamma * (data - mean) / sqrt(variance + eps) + beta` along an axis, or several."""
    return _affine(norms.layer_norm, data, gamma, beta, axis, _epsilon("LayerNorm", eps))


@function
def rms_norm(data: NDArray, gamma: NDArray, axis: Axis = -1, eps: float = 1e-5) -> NDArray:
    """`gamma * data / sqrt(mean(data^2) + eps)` along an axis, or several."""
    inputs = [data.as_float().current, as_array(gamma).current]
    return NDArray(record(norms.rms_norm, inputs, (axis, _epsilon("RMSNorm", eps)))[0])


@function
def group_norm(
    data: NDArray, gamma: NDArray, beta: NDArray, num_groups: int = 1, eps: float = 1e-5
) -> NDArray:
    """Each sample normalized over groups of its channels, axis 1, and all axes behind.

    Gamma and beta have a number for each channel, as in Gluon 2 and PyTorch.
    """
    settings = count("GroupNorm: num_groups", num_groups), _epsilon("GroupNorm", eps)
    return _affine(norms.group_norm, data, gamma, beta, *settings)


@function
def instance_norm(data: NDArray, gamma: NDArray, beta: NDArray, eps: float = 1e-3) -> NDArray:
    """Each channel, axis 1, of each sample normalized over all axes behind."""
    return _affine(norms.instance_norm, data, gamma, beta, 1, _epsilon("InstanceNorm", eps))


@function
def l2_normalization(data: NDArray, eps: float = 1e-10, mode: str = "instance") -> NDArray:
    """`data / sqrt(sum(data^2) + eps)`.

    The sum is over a sample ("instance"), over axis 1 ("channel") or over the axes behind it
    ("spatial").
    """
    modes = {
        "instance": slice(1, None),
        "channel": slice(1, 2),
        "spatial": slice(2, None),
    }
    axes = range(data.ndim)[modes[chosen("L2Normalization: mode", mode, modes)]]
    epsilon = _epsilon("L2Normalization", eps)
    return data.as_float().apply(norms.l2_normalization, tuple(axes), epsilon)
