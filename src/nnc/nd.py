"""Functions on arrays, named as in numpy and MXNet.

Arrays of two dtypes are computed in the one that comes later of bool, uint8, int8, int32, int64,
float16, bfloat16, float32, float64; uint8 with int8 gives int32, float16 with bfloat16 float32. A
Python number takes the dtype of the array it meets; a float that meets integers makes float32.
Division, means and functions such as `exp` of integers are float32. Sums and products of bool,
uint8 and int8 are int32, all others keep their dtype, and integers wrap around.
"""

import importlib
from collections.abc import Sequence
from types import FunctionType
from typing import Any

from nnc import contrib, linalg, random
from nnc.array_functions import attention as attentions
from nnc.array_functions import creation, joining, values
from nnc.array_functions import elementwise as elements
from nnc.array_functions import image as images
from nnc.array_functions import index as indexing
from nnc.array_functions import layer as layers
from nnc.array_functions import norm as norms
from nnc.array_functions import numpy_names as others
from nnc.array_functions import product as products
from nnc.array_functions import reduce as reductions
from nnc.array_functions import shape as shapes
from nnc.array_functions import update as updates
from nnc.array_functions.wrapping import (
    binary,
    function,
    into,
    mxnet_function,
    real,
    reduction,
    unary,
)
from nnc.arrays import files as array_files
from nnc.arrays.array import NDArray, array, as_array, promoted
from nnc.arrays.methods import METHODS
from nnc.operators import core as ops
from nnc.recording.recorder import flush

Shape = int | Sequence[int]

__all__ = ["NDArray", "array", "contrib", "linalg", "random"]

_imported = {*globals()}
"""What is above, and no function of arrays."""

attention = attentions.attention
load = array_files.load
save = array_files.save

arange = creation.arange
empty = creation.empty
empty_like = creation.empty_like
eye = creation.eye
full = creation.full
full_like = creation.full_like
identity = creation.identity
linspace = creation.linspace
ones = creation.ones
ones_like = creation.ones_like
zeros = creation.zeros
zeros_like = creation.zeros_like

absolute = elements.absolute
arccos = elements.arccos
arccosh = elements.arccosh
arcsin = elements.arcsin
arcsinh = elements.arcsinh
arctan = elements.arctan
arctanh = elements.arctanh
cbrt = elements.cbrt
ceil = elements.ceil
celu = elements.celu
cosh = elements.cosh
degrees = elements.degrees
elu = elements.elu
equal = elements.equal
expm1 = elements.expm1
fix = elements.fix
floor = elements.floor
floor_divide = elements.floor_divide
gelu_tanh = elements.gelu_tanh
greater = elements.greater
greater_equal = elements.greater_equal
hard_sigmoid = elements.hard_sigmoid
hard_swish = elements.hard_swish
isfinite = elements.isfinite
isinf = elements.isinf
isnan = elements.isnan
leaky_relu = elements.leaky_relu
lesser = elements.lesser
lesser_equal = elements.lesser_equal
log1p = elements.log1p
log2 = elements.log2
log10 = elements.log10
log_sigmoid = elements.log_sigmoid
logical_and = elements.logical_and
logical_not = elements.logical_not
logical_or = elements.logical_or
logical_xor = elements.logical_xor
mish = elements.mish
mod = elements.mod
modulo = elements.modulo
not_equal = elements.not_equal
prelu = elements.prelu
radians = elements.radians
reciprocal = elements.reciprocal
rint = elements.rint
round = elements.round
selu = elements.selu
sinh = elements.sinh
smooth_l1 = elements.smooth_l1
softplus = elements.softplus
softsign = elements.softsign
swish = elements.swish
tan = elements.tan
trunc = elements.trunc

embedding = indexing.embedding
gather_nd = indexing.gather_nd
moveaxis = indexing.moveaxis
one_hot = indexing.one_hot
pick = indexing.pick
scatter_nd = indexing.scatter_nd
sequence_mask = indexing.sequence_mask
take_along_axis = indexing.take_along_axis

adaptive_avg_pooling2d = images.adaptive_avg_pooling2d
bilinear_resize2d = images.bilinear_resize2d
pooling = images.pooling
up_sampling = images.up_sampling

activation = layers.activation
batch_norm = layers.batch_norm
convolution = layers.convolution
deconvolution = layers.deconvolution
dropout = layers.dropout
fully_connected = layers.fully_connected
local_response_norm = layers.local_response_norm
log_softmax = layers.log_softmax
sequence_last = layers.sequence_last
sequence_reverse = layers.sequence_reverse
softmax = layers.softmax
softmax_cross_entropy = layers.softmax_cross_entropy
softmin = layers.softmin

add_n = others.add_n
allclose = others.allclose
arctan2 = others.arctan2
array_equal = others.array_equal
average = others.average
copysign = others.copysign
corrcoef = others.corrcoef
count_nonzero = others.count_nonzero
cov = others.cov
diff = others.diff
erfinv = others.erfinv
gamma = others.gamma
gammaln = others.gammaln
heaviside = others.heaviside
hypot = others.hypot
inner = others.inner
isclose = others.isclose
khatri_rao = others.khatri_rao
kron = others.kron
logaddexp = others.logaddexp
median = others.median
moments = others.moments
nan_to_num = others.nan_to_num
nanmax = others.nanmax
nanmean = others.nanmean
nanmin = others.nanmin
nanprod = reduction(others.nanprod)
nansum = reduction(others.nansum)
outer = others.outer
percentile = others.percentile
ptp = others.ptp
quantile = others.quantile
rcbrt = others.rcbrt
searchsorted = others.searchsorted
stop_gradient = others.stop_gradient
tensordot = others.tensordot
trace = others.trace
vdot = others.vdot

argmax_channel = joining.argmax_channel
array_split = joining.array_split
atleast_1d = joining.atleast_1d
atleast_2d = joining.atleast_2d
atleast_3d = joining.atleast_3d
batch_take = joining.batch_take
broadcast_axis = joining.broadcast_axis
column_stack = joining.column_stack
dstack = joining.dstack
flatten = joining.flatten
fliplr = joining.fliplr
flipud = joining.flipud
hsplit = joining.hsplit
hstack = joining.hstack
logspace = joining.logspace
meshgrid = joining.meshgrid
ravel = joining.ravel
ravel_multi_index = joining.ravel_multi_index
reshape_like = joining.reshape_like
rot90 = joining.rot90
shape_array = joining.shape_array
size_array = joining.size_array
split_v2 = joining.split_v2
unravel_index = joining.unravel_index
vsplit = joining.vsplit
vstack = joining.vstack

group_norm = norms.group_norm
instance_norm = norms.instance_norm
l2_normalization = norms.l2_normalization
layer_norm = norms.layer_norm
rms_norm = norms.rms_norm

batch_dot = products.batch_dot
dot = products.dot
einsum = products.einsum

all = reductions.all
any = reductions.any
argmin = reductions.argmin
argsort = reductions.argsort
cumprod = reductions.cumprod
cumsum = reductions.cumsum
logsumexp = reductions.logsumexp
norm = reductions.norm
sort = reductions.sort
std = reductions.std
topk = reductions.topk
var = reductions.var

broadcast_like = shapes.broadcast_like
broadcast_to = shapes.broadcast_to
concat = shapes.concat
concatenate = shapes.concatenate
depth_to_space = shapes.depth_to_space
diag = shapes.diag
diagonal = shapes.diagonal
flip = shapes.flip
pad = shapes.pad
repeat = shapes.repeat
reshape = shapes.reshape
roll = shapes.roll
slice_axis = shapes.slice_axis
slice_like = shapes.slice_like
space_to_depth = shapes.space_to_depth
split = shapes.split
stack = shapes.stack
swapaxes = shapes.swapaxes
tile = shapes.tile
transpose = shapes.transpose
tril = shapes.tril
triu = shapes.triu

argwhere = values.argwhere
flatnonzero = values.flatnonzero
nonzero = values.nonzero
unique = values.unique

adam_update = updates.adam_update
ftrl_update = updates.ftrl_update
nag_mom_update = updates.nag_mom_update
rmsprop_update = updates.rmsprop_update
sgd_mom_update = updates.sgd_mom_update
sgd_update = updates.sgd_update
signum_update = updates.signum_update

add = binary(ops.add)
subtract = binary(ops.subtract)
multiply = binary(ops.multiply)
maximum = binary(ops.maximum)
minimum = binary(ops.minimum)


def divide(x: Any, y: Any, out: NDArray | None = None) -> NDArray:
    return into(out, as_array(x) / y)


def power(x: Any, y: Any, out: NDArray | None = None) -> NDArray:
    return into(out, as_array(x) ** y)


def where(condition: Any, x: Any, y: Any) -> NDArray:
    """`x` where the condition is not 0, else `y`; all are broadcast.

    A condition of shape (n,) for `x` and `y` of one shape (n, …) chooses slices, as in MXNet.
    """
    mask, (first, second) = as_array(condition), promoted(x, y)
    shape = first.type.shape
    if mask.ndim == 1 < len(shape) and mask.shape == shape[:1] and second.type.shape == shape:
        mask = mask.reshape((-1, *[1] * (len(shape) - 1)))
    return indexing.where(mask, NDArray(first), NDArray(second))


broadcast_add = broadcast_plus = elemwise_add = add
broadcast_sub = broadcast_minus = elemwise_sub = subtract
broadcast_mul = elemwise_mul = multiply
broadcast_div = elemwise_div = divide
broadcast_mod = modulo
broadcast_power = power
broadcast_maximum = maximum
broadcast_minimum = minimum
broadcast_equal = equal
broadcast_not_equal = not_equal
broadcast_greater = greater
broadcast_greater_equal = greater_equal
broadcast_lesser = lesser
broadcast_lesser_equal = lesser_equal
broadcast_logical_and = logical_and
broadcast_logical_or = logical_or
broadcast_logical_xor = logical_xor
broadcast_hypot = hypot
broadcast_axes = broadcast_axis
true_divide = divide
less, less_equal = lesser, lesser_equal
fabs, positive = absolute, real(ops.copy)
deg2rad, rad2deg = radians, degrees
remainder = mod
around = rint
ElementWiseSum = add_n
row_stack = vstack

abs = function(NDArray.abs)
argmax = function(NDArray.argmax)
clip = function(NDArray.clip)
exp = function(NDArray.exp)
expand_dims = function(NDArray.expand_dims)
log = function(NDArray.log)
max = reduction(NDArray.max)
mean = reduction(NDArray.mean)
min = reduction(NDArray.min)
negative = function(NDArray.__neg__)
prod = reduction(NDArray.prod)
relu = function(NDArray.relu)
sigmoid = function(NDArray.sigmoid)
sqrt = function(NDArray.sqrt)
square = function(NDArray.square)
squeeze = function(NDArray.squeeze)
sum = reduction(NDArray.sum)
take = function(NDArray.take)
tanh = function(NDArray.tanh)


rsqrt = real(ops.rsqrt)
sin = real(ops.sin)
cos = real(ops.cos)
erf = real(ops.erf)
gelu = real(ops.gelu)
silu = real(ops.silu)
sign = unary(ops.sign)


@function
def matmul(x: NDArray, y: NDArray) -> NDArray:
    return x @ y


reverse = flip
slice = shapes.slice_
SwapAxis = swapaxes
Embedding = embedding
Pooling = pooling
UpSampling = up_sampling
BilinearResize2D = bilinear_resize2d
AdaptiveAvgPooling2D = adaptive_avg_pooling2d
SequenceMask = sequence_mask
Pad = pad
Reshape = reshape
Concat = concat
Cast = cast = function(NDArray.astype)
amax = max_axis = max
amin = min_axis = min
sum_axis = sum
Activation = activation
BatchNorm = batch_norm
BlockGrad = stop_gradient
Convolution = convolution
Deconvolution = deconvolution
Dropout = dropout
Flatten = batch_flatten = flatten
FullyConnected = fully_connected
LRN = local_response_norm
SequenceLast = sequence_last
SequenceReverse = sequence_reverse
SliceChannel = split
SoftmaxActivation = layers.softmax_activation
linalg_det = linalg.det
linalg_extractdiag = linalg.extractdiag
linalg_extracttrian = linalg.extracttrian
linalg_gelqf = linalg.gelqf
linalg_gemm = linalg.gemm
linalg_gemm2 = linalg.gemm2
linalg_inverse = linalg.inverse
linalg_makediag = linalg.makediag
linalg_maketrian = linalg.maketrian
linalg_potrf = linalg.potrf
linalg_potri = linalg.potri
linalg_slogdet = linalg.slogdet
linalg_sumlogdiag = linalg.sumlogdiag
linalg_syevd = linalg.syevd
linalg_syrk = linalg.syrk
linalg_trmm = linalg.trmm
linalg_trsm = linalg.trsm
uniform = random_uniform = sample_uniform = random.uniform
normal = random_normal = sample_normal = random.normal
random_gamma, random_poisson = random.gamma, random.poisson
random_exponential = random.exponential
random_randint, random_negative_binomial = random.randint, random.negative_binomial
random_generalized_negative_binomial = random.generalized_negative_binomial
sample_multinomial, shuffle = random.multinomial, random.shuffle
LeakyReLU = elements.leaky_relu_by_type
LayerNorm = layer_norm
GroupNorm = group_norm
InstanceNorm = instance_norm
L2Normalization = l2_normalization


def waitall() -> None:
    """Compute everything that was recorded."""
    flush()


def set_np(shape: bool = True, array: bool = True, dtype: bool = False) -> None:
    """Accepted for MXNet's sake: there is one kind of arrays, with both kinds of names."""


def reset_np() -> None:
    """Accepted as `set_np`."""


_GONE = {
    "CTCLoss": "nnc.gluon.loss.CTCLoss",
    "Custom": "nnc.autograd.Function or nnc.custom_op",
    "LinearRegressionOutput": "nnc.gluon.loss.L2Loss",
    "LogisticRegressionOutput": "nnc.gluon.loss.SigmoidBinaryCrossEntropyLoss",
    "MakeLoss": "backward() of the array itself",
    "RNN": "nnc.gluon.rnn.RNN, LSTM or GRU",
    "SoftmaxOutput": "nnc.gluon.loss.SoftmaxCrossEntropyLoss",
    "ctc_loss": "nnc.gluon.loss.CTCLoss",
    "image": "nnc.gluon.data.vision.transforms",
    "sparse": "dense arrays",
}
"""Functions of MXNet that nnc has none of, and what is used instead."""


def __getattr__(name: str) -> Any:
    if name in ("np", "npx"):  # So `hybrid_forward` writes F.np.exp(x), F.npx.relu(x).
        return importlib.import_module(f"nnc.{name}")
    hint = f": write it with {_GONE[name]}" if name in _GONE else ""
    raise AttributeError(f"module 'nnc.nd' has no attribute '{name}'{hint}")


_wrapped: dict[Any, Any] = {}
for _name in globals().keys() - _imported - {"__getattr__"}:
    _call = globals()[_name]
    if isinstance(_call, FunctionType):
        globals()[_name] = _wrapped.setdefault(_call, mxnet_function(_call))

for _name in METHODS.split():
    setattr(NDArray, _name, globals()[_name])
