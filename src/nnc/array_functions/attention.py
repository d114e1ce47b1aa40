"""Attention of arrays."""

from nnc.arrays.array import NDArray, as_array
from nnc.checks import number
from nnc.operators import attention as attentions
from nnc.recording.recorder import record


def attention(
    query: NDArray,
    key: NDArray,
    value: NDArray,
    mask: NDArray | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> NDArray:
    """`softmax(scale * query key^T + mask) value`, PyTorch's scaled_dot_product_attention.

    Query `(..., S, D)`, key `(..., T, D)`, value `(..., T, E)` give `(..., S, E)`; heads are one of
    the leading axes. `scale` is `1 / sqrt(D)` unless given. The mask is broadcast to
    `(..., S, T)`: numbers are added, and where a mask of booleans is False the key is hidden. Where
    `causal`, the last query sees all keys, and each before it one less. A query that sees no key
    gives 0.
    """
    factor = None if scale is None else number("attention: scale", scale)
    given = [as_array(query).as_float(), key, value] + ([] if mask is None else [mask])
    inputs = [as_array(x).current for x in given]
    return NDArray(record(attentions.attention, inputs, (factor, bool(causal)))[0])
