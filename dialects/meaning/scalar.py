"""The meaning of `arith` and `math` on scalars and vectors, bit for bit as the targets compute.

Floats are rounded after every op, integers wrap around, `index` values are Python integers.
Functions that a C library would compute are taken in f64 and rounded once.
"""

import math as libm
import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from xdsl.dialects import math
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, FloatAttr, IndexType, IntegerAttr
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    OpImpl,
    PythonValues,
    impl,
    register_impls,
)
from xdsl.ir import Attribute, Operation, OperationInvT

from nnc.dialects import arith
from nnc.dialects.meaning.formulas import dtype_of
from nnc.dialects.scalars import element_type


def lanewise(
    op_type: type[OperationInvT], formula: Callable[..., Any]
) -> OpImpl[InterpreterFunctions, OperationInvT]:
    """The meaning of an op with one result: `formula(*operands)`."""

    def run(
        self: InterpreterFunctions, interpreter: Interpreter, op: OperationInvT, args: PythonValues
    ) -> PythonValues:
        return (formula(*args),)

    return impl(op_type)(run)


def converting(
    op_type: type[OperationInvT], formula: Callable[[Any, np.dtype[Any]], Any]
) -> OpImpl[InterpreterFunctions, OperationInvT]:
    """The meaning of a conversion: `formula(operand, dtype of the result)`."""

    def run(
        self: InterpreterFunctions, interpreter: Interpreter, op: OperationInvT, args: PythonValues
    ) -> PythonValues:
        return (formula(args[0], dtype_of(element_type(op.results[0].type))),)

    return impl(op_type)(run)


def fma(x: Any, y: Any, z: Any) -> Any:
    """`x * y + z`, rounded once.

    For f32 the product is exact in f64; the sum is rounded to odd there, so that rounding it
    again to f32 gives what one rounding gives.
    """
    if x.dtype == np.float64:
        return (np.longdouble(x) * y + z).astype(np.float64)
    product, addend = np.multiply(x, y, dtype=np.float64), z.astype(np.float64)
    total = product + addend
    part = total - product
    lost = (product - (total - part)) + (addend - part)
    bits = total.view(np.int64)
    to_odd = np.isfinite(total) & (lost != 0) & (bits & 1 == 0)
    away = (lost > 0) == (total > 0)
    odd = np.where(to_odd, np.where(away, bits + 1, bits - 1), bits)
    return odd.view(np.float64).astype(x.dtype)[()]


def signed(x: Any) -> Any:
    """The same bits as a signed integer; i1 is 0 or -1."""
    if isinstance(x, int):
        return x
    return -x.astype(np.int8) if x.dtype == np.bool_ else x.view(f"i{x.dtype.itemsize}")


def unsigned(x: Any) -> Any:
    """The same bits as an unsigned integer; i1 is 0 or 1."""
    return x if isinstance(x, int) else x.view(f"u{x.dtype.itemsize}")


def like(x: Any, result: Any) -> Any:
    """`result` as bits of the type of `x`."""
    return result if isinstance(x, int) else result.view(x.dtype)


def as_signed(formula: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, y: like(x, formula(signed(x), signed(y)))


def as_unsigned(formula: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, y: like(x, formula(unsigned(x), unsigned(y)))


def quotient(x: Any, y: Any) -> Any:
    """`x / y` towards zero, as in C."""
    return x // y + ((x % y != 0) & ((x < 0) != (y < 0)))


def remainder(x: Any, y: Any) -> Any:
    """What `quotient` leaves, with the sign of `x`."""
    return x - y * quotient(x, y)


def select(condition: Any, x: Any, y: Any) -> Any:
    if isinstance(condition, np.ndarray):
        return np.where(condition, x, y)
    return x if condition else y


FLOAT_PREDICATES: tuple[Callable[[Any, Any], Any], ...] = (
    lambda x, y: (x != x) & False,
    operator.eq,
    operator.gt,
    operator.ge,
    operator.lt,
    operator.le,
    lambda x, y: (x < y) | (x > y),
    lambda x, y: (x == x) & (y == y),
    lambda x, y: ~((x < y) | (x > y)),
    lambda x, y: ~(x <= y),
    lambda x, y: ~(x < y),
    lambda x, y: ~(x >= y),
    lambda x, y: ~(x > y),
    operator.ne,
    lambda x, y: (x != x) | (y != y),
    lambda x, y: (x != x) | True,
)
"""In the order of `arith.cmpf`: false, oeq, ogt, oge, olt, ole, one, ord, ueq, ugt, …"""

INTEGER_PREDICATES: tuple[Callable[[Any, Any], Any], ...] = (
    operator.eq,
    operator.ne,
    lambda x, y: signed(x) < signed(y),
    lambda x, y: signed(x) <= signed(y),
    lambda x, y: signed(x) > signed(y),
    lambda x, y: signed(x) >= signed(y),
    lambda x, y: unsigned(x) < unsigned(y),
    lambda x, y: unsigned(x) <= unsigned(y),
    lambda x, y: unsigned(x) > unsigned(y),
    lambda x, y: unsigned(x) >= unsigned(y),
)
"""In the order of `arith.cmpi`: eq, ne, slt, sle, sgt, sge, ult, ule, ugt, uge."""


def product_halves(x: Any, product: Any) -> tuple[Any, Any]:
    """The low and the high bits of a product of twice the width, as values of the type of `x`."""
    assert x.dtype == np.int32, "expected i32 operands"
    return product.astype(np.int32), (product >> 32).astype(np.int32)


def truncated(x: Any, dtype: np.dtype[Any]) -> Any:
    return (x & 1).astype(dtype) if dtype == np.bool_ else x.astype(dtype)


def rsqrt(x: Any) -> Any:
    return x.dtype.type(1) / np.sqrt(x)


def in_f64(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a C library: computed in f64, rounded to the type of the operands."""
    return lambda *args: function(*(x.astype(np.float64) for x in args)).astype(args[0].dtype)[()]


def value_of(attribute: Attribute, type: Attribute) -> Any:
    """The value of an `arith.constant`."""
    if isinstance(attribute, DenseIntOrFPElementsAttr):
        shape = cast(Any, type).get_shape()
        values = np.array(attribute.get_values(), dtype_of(element_type(type)))
        return np.broadcast_to(values[:1], shape) if attribute.is_splat() else values.reshape(shape)
    assert isinstance(attribute, FloatAttr | IntegerAttr)
    data = attribute.value.data
    if isinstance(type, IndexType):
        return data
    dtype = dtype_of(type)
    return np.array(data).astype(dtype)[()]


@register_impls
class ScalarFunctions(InterpreterFunctions):
    """Constants are made once for each op."""

    def __init__(self):
        self.constants: dict[Operation, Any] = {}

    @impl(arith.ConstantOp)
    def constant(
        self, interpreter: Interpreter, op: arith.ConstantOp, args: PythonValues
    ) -> PythonValues:
        if op not in self.constants:
            self.constants[op] = value_of(op.value, op.result.type)
        return (self.constants[op],)

    @impl(arith.CmpfOp)
    def cmpf(self, interpreter: Interpreter, op: arith.CmpfOp, args: PythonValues) -> PythonValues:
        return (FLOAT_PREDICATES[op.predicate.value.data](*args),)

    @impl(arith.CmpiOp)
    def cmpi(self, interpreter: Interpreter, op: arith.CmpiOp, args: PythonValues) -> PythonValues:
        return (np.bool_(INTEGER_PREDICATES[op.predicate.value.data](*args)),)

    @impl(arith.MulUIExtendedOp)
    def mului_extended(
        self, interpreter: Interpreter, op: arith.MulUIExtendedOp, args: PythonValues
    ) -> PythonValues:
        x, y = args
        return product_halves(x, unsigned(x).astype(np.uint64) * unsigned(y).astype(np.uint64))

    @impl(arith.MulSIExtendedOp)
    def mulsi_extended(
        self, interpreter: Interpreter, op: arith.MulSIExtendedOp, args: PythonValues
    ) -> PythonValues:
        x, y = args
        return product_halves(x, signed(x).astype(np.int64) * signed(y).astype(np.int64))

    @impl(arith.IndexCastOp)
    def index_cast(
        self, interpreter: Interpreter, op: arith.IndexCastOp, args: PythonValues
    ) -> PythonValues:
        type = op.result.type
        return (int(args[0]) if isinstance(type, IndexType) else dtype_of(type).type(args[0]),)

    addf = lanewise(arith.AddfOp, operator.add)
    subf = lanewise(arith.SubfOp, operator.sub)
    mulf = lanewise(arith.MulfOp, operator.mul)
    divf = lanewise(arith.DivfOp, operator.truediv)
    negf = lanewise(arith.NegfOp, operator.neg)
    maximumf = lanewise(arith.MaximumfOp, np.maximum)
    minimumf = lanewise(arith.MinimumfOp, np.minimum)
    maxnumf = lanewise(arith.MaxnumfOp, np.fmax)
    minnumf = lanewise(arith.MinnumfOp, np.fmin)
    addi = lanewise(arith.AddiOp, operator.add)
    subi = lanewise(arith.SubiOp, operator.sub)
    muli = lanewise(arith.MuliOp, operator.mul)
    divsi = lanewise(arith.DivSIOp, as_signed(quotient))
    divui = lanewise(arith.DivUIOp, as_unsigned(operator.floordiv))
    remsi = lanewise(arith.RemSIOp, as_signed(remainder))
    remui = lanewise(arith.RemUIOp, as_unsigned(operator.mod))
    floordivsi = lanewise(arith.FloorDivSIOp, as_signed(operator.floordiv))
    ceildivsi = lanewise(arith.CeilDivSIOp, as_signed(lambda x, y: x // y + (x % y != 0)))
    minsi = lanewise(arith.MinSIOp, as_signed(np.minimum))
    maxsi = lanewise(arith.MaxSIOp, as_signed(np.maximum))
    minui = lanewise(arith.MinUIOp, as_unsigned(np.minimum))
    maxui = lanewise(arith.MaxUIOp, as_unsigned(np.maximum))
    andi = lanewise(arith.AndIOp, operator.and_)
    ori = lanewise(arith.OrIOp, operator.or_)
    xori = lanewise(arith.XOrIOp, operator.xor)
    shli = lanewise(arith.ShLIOp, operator.lshift)
    shrsi = lanewise(arith.ShRSIOp, as_signed(operator.rshift))
    shrui = lanewise(arith.ShRUIOp, as_unsigned(operator.rshift))
    choose = lanewise(arith.SelectOp, select)

    bitcast = converting(arith.BitcastOp, lambda x, dtype: x.view(dtype))
    extf = converting(arith.ExtFOp, lambda x, dtype: x.astype(dtype))
    truncf = converting(arith.TruncFOp, lambda x, dtype: x.astype(dtype))
    extsi = converting(arith.ExtSIOp, lambda x, dtype: signed(x).astype(dtype))
    extui = converting(arith.ExtUIOp, lambda x, dtype: unsigned(x).astype(dtype))
    trunci = converting(arith.TruncIOp, truncated)
    sitofp = converting(arith.SIToFPOp, lambda x, dtype: signed(x).astype(dtype))
    uitofp = converting(arith.UIToFPOp, lambda x, dtype: unsigned(x).astype(dtype))
    fptosi = converting(arith.FPToSIOp, lambda x, dtype: x.astype(dtype))
    fptoui = converting(arith.FPToUIOp, lambda x, dtype: x.astype(f"u{dtype.itemsize}").view(dtype))

    fused = lanewise(math.FmaOp, fma)
    absf = lanewise(math.AbsFOp, np.abs)
    absi = lanewise(math.AbsIOp, np.abs)
    sqrt = lanewise(math.SqrtOp, np.sqrt)
    inverse_root = lanewise(math.RsqrtOp, rsqrt)
    floor = lanewise(math.FloorOp, np.floor)
    ceil = lanewise(math.CeilOp, np.ceil)
    trunc = lanewise(math.TruncOp, np.trunc)
    roundeven = lanewise(math.RoundEvenOp, np.rint)
    copysign = lanewise(math.CopySignOp, np.copysign)
    exp = lanewise(math.ExpOp, in_f64(np.exp))
    exp2 = lanewise(math.Exp2Op, in_f64(np.exp2))
    expm1 = lanewise(math.ExpM1Op, in_f64(np.expm1))
    log = lanewise(math.LogOp, in_f64(np.log))
    log2 = lanewise(math.Log2Op, in_f64(np.log2))
    log10 = lanewise(math.Log10Op, in_f64(np.log10))
    log1p = lanewise(math.Log1pOp, in_f64(np.log1p))
    tanh = lanewise(math.TanhOp, in_f64(np.tanh))
    atan = lanewise(math.AtanOp, in_f64(np.arctan))
    erf = lanewise(math.ErfOp, in_f64(np.vectorize(libm.erf, otypes=[np.float64])))
    sin = lanewise(math.SinOp, in_f64(np.sin))
    cos = lanewise(math.CosOp, in_f64(np.cos))
    powf = lanewise(math.PowFOp, in_f64(np.power))
