"""Layers as functions of their parameters, named as in MXNet."""

import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from nnc.array_functions.index import existing, gathered, positions, selected, time_axis
from nnc.arrays.array import NDArray, as_array, as_indices, the_array
from nnc.checks import axis_of, chosen, count, counts, listed_axes, number
from nnc.compilation.variable import Variable
from nnc.errors import OptionError, ShapeError
from nnc.operators import core as ops
from nnc.operators import elementwise as elements
from nnc.operators import image as images
from nnc.operators import layer as layers
from nnc.random import generator
from nnc.recording.graph import Operation, Value
from nnc.recording.recorder import record, recorder

Shape = int | Sequence[int]

ACTIVATIONS: dict[str, tuple[Operation, tuple[Any, ...]]] = {
    "relu": (ops.relu, ()),
    "sigmoid": (ops.sigmoid, ()),
    "tanh": (ops.tanh, ()),
    "softrelu": (elements.softplus, (1,)),
    "softsign": (elements.softsign, ()),
    "log_sigmoid": (elements.log_sigmoid, ()),
    "mish": (elements.mish, ()),
    "softmax": (layers.softmax, (-1,)),
}
"""Gluon's, and softmax over the last axis as an extension."""


def activation_named(name: str) -> tuple[Operation, tuple[Any, ...]]:
    return ACTIVATIONS[chosen("activation", name, ACTIVATIONS)]


def activation(data: Any, act_type: str) -> NDArray:
    """A function of each element by its name: relu, sigmoid, tanh, softrelu, …"""
    operation, attributes = activation_named(act_type)
    return as_array(data).as_float().apply(operation, *attributes)


def with_bias(name: str, units: int, data: Any, weight: NDArray, bias: Any) -> list[Value]:
    """The operands of a layer; its bias has a number for each unit."""
    inputs = [as_array(data).current, weight.current]
    if bias is not None:
        inputs.append(as_array(bias).current)
        if inputs[2].type.shape != (units,):
            given = inputs[2].type.shape
            raise ShapeError(f"{name}: expected a bias of shape {(units,)}, given {given}")
    return inputs


def weight_of(name: str, weight: Any, axes: Sequence[int]) -> NDArray:
    """A weight with one of these numbers of axes."""
    given = as_array(weight)
    if given.ndim not in axes:
        wanted = " or ".join(map(str, axes))
        raise ShapeError(f"{name}: expected a weight of {wanted} axes, given shape {given.shape}")
    return given


@runtime_checkable
class Unsized(Protocol):
    """A parameter whose last unknown size a layer finds, as Gluon 1.x infers shapes."""

    @property
    def shape(self) -> tuple[int, ...] | None: ...
    def finish(self, shape: tuple[int, ...]) -> None: ...
    def data(self) -> NDArray: ...


def sized(weight: Any, axis: int, size: int) -> Any:
    """A parameter's values, which has this size along an axis; anything else as it is."""
    if not isinstance(weight, Unsized):
        return weight
    sizes = list(weight.shape or ())
    if size and sizes[axis : axis + 1] == [0]:
        sizes[axis] = size
        weight.finish(tuple(sizes))
    return weight.data()


def channels_of(x: NDArray) -> int:
    """How many channels images have; 0 where there is no such axis."""
    return x.shape[1] if x.ndim > 1 else 0


def expect(name: str, what: str, given: int, found: int) -> int:
    """The number given, 0 for none, must be the one found."""
    if count(f"{name}: {what}", given, 0) not in (0, found):
        raise OptionError(f"{name}: {what} is {given}, but the weight is for {found}")
    return found


def fully_connected(
    data: Any,
    weight: NDArray,
    bias: NDArray | None = None,
    num_hidden: int = 0,
    no_bias: bool = False,
    flatten: bool = True,
) -> NDArray:
    """`data weight^T + bias`, weight (num_hidden, in); with `flatten` rows are all but axis 0."""
    x = as_array(data)
    weight = sized(weight, 1, math.prod(x.shape[1:] if flatten else x.shape[-1:]))
    weight = weight_of("FullyConnected", weight, [2])
    units = expect("FullyConnected", "num_hidden", num_hidden, weight.shape[0])
    inputs = with_bias("FullyConnected", units, x, weight, None if no_bias else bias)
    return NDArray(record(layers.dense, inputs, (flatten,))[0])


def convolution(
    data: Any,
    weight: NDArray,
    bias: NDArray | None = None,
    kernel: Shape = (),
    stride: Shape = (),
    dilate: Shape = (),
    pad: Shape = (),
    num_filter: int = 0,
    num_group: int = 1,
    no_bias: bool = False,
) -> NDArray:
    """A convolution of (N, C, …) with weight (num_filter, C / num_group, …)."""
    x = as_array(data)
    weight = sized(weight, 1, channels_of(x) // count("Convolution: num_group", num_group))
    weight = weight_of("Convolution", weight, [3, 4, 5])
    axes = expect_kernel("Convolution", kernel, weight)
    filters = expect("Convolution", "num_filter", num_filter, weight.shape[0])
    inputs = with_bias("Convolution", filters, x, weight, None if no_bias else bias)
    geometry = (
        counts_or(1, "Convolution: stride", stride, axes),
        counts_or(0, "Convolution: pad", pad, axes, 0),
        counts_or(1, "Convolution: dilate", dilate, axes),
        count("Convolution: num_group", num_group),
    )
    return NDArray(record(images.convolve, inputs, geometry)[0])


def deconvolution(
    data: Any,
    weight: NDArray,
    bias: NDArray | None = None,
    kernel: Shape = (),
    stride: Shape = (),
    dilate: Shape = (),
    pad: Shape = (),
    adj: Shape = (),
    num_filter: int = 0,
    num_group: int = 1,
    no_bias: bool = True,
) -> NDArray:
    """A transposed convolution of (N, C, …) with weight (C, num_filter / num_group, …).

    `adj` more elements are made at the end of each axis.
    """
    x = as_array(data)
    weight = weight_of("Deconvolution", sized(weight, 0, channels_of(x)), [3, 4, 5])
    axes = expect_kernel("Deconvolution", kernel, weight)
    groups = count("Deconvolution: num_group", num_group)
    filters = expect("Deconvolution", "num_filter", num_filter, weight.shape[1] * groups)
    inputs = with_bias("Deconvolution", filters, x, weight, None if no_bias else bias)
    geometry = (
        counts_or(1, "Deconvolution: stride", stride, axes),
        counts_or(0, "Deconvolution: pad", pad, axes, 0),
        counts_or(0, "Deconvolution: adj", adj, axes, 0),
        counts_or(1, "Deconvolution: dilate", dilate, axes),
        groups,
    )
    return NDArray(record(images.convolve_transposed, inputs, geometry)[0])


def counts_or(default: Shape, what: str, given: Any, axes: int, least: int = 1) -> tuple[int, ...]:
    """An integer for each axis, or the default where there is none."""
    none = given is None or (isinstance(given, tuple | list) and not given)
    return counts(what, default if none else given, axes, least)


def expect_kernel(name: str, kernel: Shape, weight: NDArray) -> int:
    """How many axes the kernel has, which must have the sizes of the weight."""
    sizes = weight.shape[2:]
    if counts_or(sizes, f"{name}: kernel", kernel, len(sizes)) != sizes:
        raise OptionError(f"{name}: kernel is {kernel}, but the weight is for {sizes}")
    return len(sizes)


def batch_norm(
    data: Any,
    gamma: NDArray,
    beta: NDArray,
    moving_mean: NDArray,
    moving_var: NDArray,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
) -> Any:
    """Each channel, along `axis`, normalized, then `gamma` times it, plus `beta`.

    In training by the batch's statistics, which change the moving ones; else by those. With
    `fix_gamma`, MXNet's default for the function, gamma counts as ones.
    """
    x, scale = as_array(data).as_float(), as_array(gamma)
    scale = scale * 0 + 1 if fix_gamma else scale
    the_array("BatchNorm: moving_mean", moving_mean)
    the_array("BatchNorm: moving_var", moving_var)
    settings = axis, number("BatchNorm: eps", eps, least=0)
    kept = number("BatchNorm: momentum", momentum, least=0, most=1)
    shift = as_array(beta)
    channels = x.shape[axis_of("BatchNorm", axis, x.ndim)]
    for each in (scale, shift, moving_mean, moving_var):
        if each.shape != (channels,):
            raise ShapeError(
                f"BatchNorm: {channels} channels along axis {axis} of shape {x.shape}, but "
                f"parameters of shape {each.shape}"
            )
    inputs = [x.current, scale.current, shift.current]
    if not recorder.training or use_global_stats:
        inputs += [moving_mean.current, moving_var.current]
        y = NDArray(record(layers.batch_norm_inference, inputs, settings)[0])
        return [y, moving_mean, moving_var] if output_mean_var else y
    y, *batch = record(layers.batch_norm, inputs, settings)
    for moving, new in zip((moving_mean, moving_var), batch, strict=True):
        [blended] = record(layers.blend, [moving.current, new], (kept,), taped=False)
        moving.update(blended) if isinstance(moving, Variable) else moving.assign(blended)
    return [NDArray(value) for value in (y, *batch)] if output_mean_var else NDArray(y)


def dropout(data: Any, p: float = 0.5, mode: str = "training", axes: Shape = ()) -> NDArray:
    """Keeps each element with probability 1 - p, scaled by 1 / (1 - p); in training or "always".

    Along `axes` one draw serves all elements.
    """
    always = chosen("Dropout: mode", mode, ("training", "always")) == "always"
    rate, x = number("Dropout: p", p, least=0, below=1), as_array(data)
    if not (recorder.training or always) or not rate:
        return x
    along = tuple(listed_axes("Dropout", axes, x.ndim))
    inputs = [x.current, *generator.state()]
    return NDArray(record(layers.dropout, inputs, (rate, along))[0])


def softmax(
    data: Any,
    axis: int = -1,
    length: Any = None,
    temperature: float | None = None,
    use_length: bool = False,
) -> NDArray:
    """`exp(x / temperature)`, divided by its sum along an axis.

    With lengths, one for each row along the axis, what lies behind is 0 and does not count.
    """
    return _softmax(layers.softmax, data, axis, length if use_length else None, temperature, 0)


def log_softmax(
    data: Any,
    axis: int = -1,
    length: Any = None,
    temperature: float | None = None,
    use_length: bool = False,
) -> NDArray:
    """The logarithm of `softmax`; what lies behind a length is minus infinity."""
    known = length if use_length else None
    return _softmax(layers.log_softmax, data, axis, known, temperature, float("-inf"))


def _softmax(
    operation: Operation, data: Any, axis: int, length: Any, temperature: Any, behind: float
) -> NDArray:
    x = as_array(data).as_float()
    if temperature is not None:
        x = x / number(f"{operation.name}: temperature", temperature, above=0)
    if length is None:
        return x.apply(operation, axis)
    along = axis_of(operation.name, axis, x.ndim)
    lengths = as_array(length, "int32")
    if lengths.shape != x.shape[:along] + x.shape[along + 1 :]:
        raise ShapeError(f"{operation.name}: lengths {lengths.shape} do not fit {x.shape}")
    inside = positions(x.shape, along) < lengths.expand_dims(along)
    return selected(inside, selected(inside, x, float("-inf")).apply(operation, axis), behind)


def softmin(data: Any, axis: int = -1, temperature: float | None = None) -> NDArray:
    """`softmax` of the negative."""
    return softmax(-as_array(data), axis, temperature=temperature)


def softmax_activation(data: Any, mode: str = "instance") -> NDArray:
    """`softmax` over all axes but the first ("instance"), or over axis 1 ("channel")."""
    x = as_array(data)
    if chosen("SoftmaxActivation: mode", mode, ("instance", "channel")) == "channel":
        return softmax(x, 1)
    return softmax(x.flatten()).reshape(x.shape)


def softmax_cross_entropy(data: Any, label: Any) -> NDArray:
    """The sum over rows of `-log_softmax(data)[label]`."""
    inputs = [as_array(data).as_float().current, as_indices(label).current]
    return NDArray(record(layers.cross_entropy, inputs, (-1, False))[0]).sum()


def sequence_last(
    data: Any, sequence_length: Any = None, use_sequence_length: bool = False, axis: int = 0
) -> NDArray:
    """The last step of each sequence; time is `axis`, 0 or 1, the batch the other."""
    x = _time_first("SequenceLast", data, axis)
    if not use_sequence_length:
        return x[len(x) - 1]
    last = existing("SequenceLast: last steps", as_array(sequence_length) - 1, len(x))
    turned = x.transpose(1, 0, *range(2, x.ndim))
    return gathered(turned, last.expand_dims(1), 1, 1)[:, 0]


def sequence_reverse(
    data: Any, sequence_length: Any = None, use_sequence_length: bool = False, axis: int = 0
) -> NDArray:
    """Each sequence from its last step to its first; what lies behind it stays where it is."""
    x = _time_first("SequenceReverse", data, axis)
    order = list(range(x.ndim))
    at = positions((x.shape[1], len(x)), 1)
    lengths = len(x)
    if use_sequence_length:
        what = "SequenceReverse: lengths"
        lengths = existing(what, sequence_length, len(x) + 1).expand_dims(1)
    at = selected(at < lengths, lengths - 1 - at, at)
    turned = gathered(x.transpose(1, 0, *order[2:]), at, 1, 1)
    return turned if axis == 1 else turned.transpose(1, 0, *order[2:])


def _time_first(name: str, data: Any, axis: int) -> NDArray:
    x = as_array(data)
    return x.transpose(1, 0, *range(2, x.ndim)) if time_axis(name, x, axis) else x


def local_response_norm(
    data: Any, alpha: float = 1e-4, beta: float = 0.75, knorm: float = 2.0, nsize: int = 5
) -> NDArray:
    """`data / (knorm + alpha / nsize * s)^beta`, s the sum of squares of `nsize` near channels."""
    x = as_array(data).as_float()
    channels = x.shape[axis_of("LRN", 1, x.ndim)]
    half = min(count("LRN: nsize", nsize) // 2, channels)
    scale = number("LRN: alpha", alpha) / nsize
    power, bias = number("LRN: beta", beta), number("LRN: knorm", knorm)
    border = (0, half) + (0,) * (x.ndim - 2)
    wide = x.square().apply(ops.pad, border, border, 0.0)
    near = [wide[:, i : i + channels] for i in range(2 * half + 1)]
    total = near[0]
    for one in near[1:]:
        total = total + one
    return x * (total * scale + bias) ** -power
