"""Random numbers: Philox 4x32-10, indexed by the logical element.

Element i draws the block with counter (i, 0, counter) under its key, so layout, fusion, target and
threads do not change a draw. Key and counter are rank-0 i32 or i64 tensors; only i32 arithmetic
is done on elements, so that draws vectorise.

* `nn.uniform`   24 bits, in [0, 1)
* `nn.normal`    Box-Muller on two words of the element's block
* `nn.dropout`   keeps and scales elements at random
"""

import math as python_math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

from xdsl.builder import Builder
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    AnyFloat,
    Float64Type,
    FloatAttr,
    TensorType,
    bf16,
    f16,
    f64,
    i32,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import VarConstraint, base, operand_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from nnc.dialects import scalars
from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Access, Cotangents, Differentiable, Domain, Structured
from nnc.dialects.nn.base import (
    GraphOp,
    ScalarIndex,
    countable,
    element_of,
    insert,
    linear_index,
    shape_of,
)

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
DRAW_BITS = 24
"""Bits of a uniform draw: what f32 holds exactly."""

Words = tuple[SSAValue, SSAValue]


def philox(b: Builder, counter: Sequence[SSAValue], key: Words) -> list[SSAValue]:
    """The four words of a block, as i32."""
    words, (key0, key1) = list(counter), key
    for round in range(ROUNDS):
        if round:
            key0 = scalars.add(b, key0, _word(b, WEYL[0], key0))
            key1 = scalars.add(b, key1, _word(b, WEYL[1], key1))
        low0, high0 = _wide_product(b, words[0], MULTIPLIERS[0])
        low1, high1 = _wide_product(b, words[2], MULTIPLIERS[1])
        words = [
            _xor(b, _xor(b, high1, words[1]), key0),
            low1,
            _xor(b, _xor(b, high0, words[3]), key1),
            low0,
        ]
    return words


def _word(b: Builder, value: int, like: SSAValue) -> SSAValue:
    """A 32-bit pattern; i32 constants are signed."""
    return scalars.constant(b, value - (1 << 32) if value >> 31 else value, like)


def _wide_product(b: Builder, x: SSAValue, multiplier: int) -> Words:
    """The low and high words of the unsigned product."""
    op = b.insert(arith.MulUIExtendedOp(x, _word(b, multiplier, x)))
    return op.results[0], op.results[1]


def _xor(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    return b.insert(arith.XOrIOp(x, y)).result


def _split(b: Builder, value: SSAValue) -> Words:
    """A scalar's low and high 32 bits."""
    if scalars.element_type(value.type) == i32:
        return value, scalars.constant(b, 0, value)
    shifted = b.insert(arith.ShRUIOp(value, scalars.constant(b, 32, value))).result
    return scalars.convert(b, value, i32), scalars.convert(b, shifted, i32)


def _fraction(b: Builder, word: SSAValue, offset: int, element: Attribute) -> SSAValue:
    """`(the word's top 24 bits + offset) * 2**-24` as a float."""
    bits = _draw(b, word)
    if offset:
        bits = scalars.add(b, bits, scalars.constant(b, offset, bits))
    value = scalars.convert(b, bits, element)
    return scalars.mul(b, value, scalars.constant(b, 2.0**-DRAW_BITS, value))


def _draw(b: Builder, word: SSAValue) -> SSAValue:
    """The word's top 24 bits, as a number that is not negative."""
    return b.insert(arith.ShRUIOp(word, scalars.constant(b, 32 - DRAW_BITS, word))).result


BEFORE_ONE: dict[Attribute, float] = {f16: 1 - 2.0**-11, bf16: 1 - 2.0**-8}
"""The largest number below 1, to which 24 bits may not be rounded up."""


class Random(GraphOp, Structured):
    """An op that draws one Philox block for each element of its result."""

    @classmethod
    def check_state(cls, key: Attribute, counter: Attribute) -> None:
        """Raises unless key and counter are rank-0 integers."""
        for what, type in (("key", key), ("counter", counter)):
            if shape_of(type) or element_of(type) not in (i32, i64):
                raise VerifyException(
                    f"{cls.name}: the {what} must be tensor<i32> or tensor<i64>, given {type}"
                )

    @classmethod
    def check_size(cls, type: Attribute) -> None:
        """Raises unless each element has a number of its own."""
        countable(cls.name, type, python_math.prod(shape_of(type)))

    def domain(self) -> Domain:
        return Domain(shape_of(self.results[0]))

    def uses_index(self) -> bool:
        return True

    def block(
        self, b: Builder, key: SSAValue, counter: SSAValue, index: ScalarIndex
    ) -> list[SSAValue]:
        """The random words of the element at `index`."""
        counter_words = _split(b, counter)
        element = linear_index(b, shape_of(self.results[0]), index)
        zero = scalars.constant(b, 0, element)
        return philox(b, (element, zero, *counter_words), _split(b, key))


class Draw(Random):
    """A tensor of random numbers of the given float type."""

    TYPE: ClassVar = VarConstraint("TYPE", base(TensorType))
    key = operand_def(TensorType)
    counter = operand_def(TensorType)
    output = result_def(TYPE)
    type = prop_def(TYPE)
    assembly_format = "$key `,` $counter attr-dict `:` type($key) `,` type($counter) `->` $type"

    def __init__(self, key: SSAValue, counter: SSAValue, type: TensorType[AnyFloat]):
        self.initialize([key, counter], {"type": type})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        cls.check_state(*operands)
        if not scalars.is_float(element_of(properties["type"])):
            raise VerifyException(f"{cls.name}: draws are floats, given {properties['type']}")
        cls.check_size(properties["type"])
        return [properties["type"]]

    def accesses(self) -> Sequence[Access]:
        scalar = Access(AffineMap(len(shape_of(self.results[0])), 0, ()))
        return [scalar, scalar]

    @abstractmethod
    def value(self, b: Builder, block: Sequence[SSAValue], element: Attribute) -> SSAValue:
        """The draw, given the element's block."""

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        key, counter = arguments
        block = self.block(b, key, counter, index)
        return [self.value(b, block, scalars.held(element_of(self.results[0])))]


@op_definition
class UniformOp(Draw):
    """`(word 0 >> 8) * 2**-24`, in [0, 1): of half precision at most the number before 1."""

    name = "nn.uniform"

    def value(self, b: Builder, block: Sequence[SSAValue], element: Attribute) -> SSAValue:
        drawn = _fraction(b, block[0], 0, element)
        largest = BEFORE_ONE.get(element_of(self.output))
        if largest is None:
            return drawn
        return scalars.minimum(b, drawn, scalars.constant(b, largest, drawn))


@op_definition
class NormalOp(Draw):
    """`sqrt(-2 log u) * cos(2 pi v)`, u in (0, 1] of word 0, v in [0, 1) of word 1."""

    name = "nn.normal"

    def value(self, b: Builder, block: Sequence[SSAValue], element: Attribute) -> SSAValue:
        logarithm = b.insert(math.LogOp(_fraction(b, block[0], 1, element))).result
        square = scalars.mul(b, logarithm, scalars.constant(b, -2.0, logarithm))
        turn = _fraction(b, block[1], 0, element)
        angle = scalars.mul(b, turn, scalars.constant(b, 2 * python_math.pi, turn))
        cosine = b.insert(math.CosOp(angle)).result
        return scalars.mul(b, b.insert(math.SqrtOp(square)).result, cosine)


@op_definition
class DropoutOp(Random, Differentiable):
    """`input / (1 - rate)` where the element's draw is at least `rate`, else 0.

    The gradient draws the same mask again from key and counter.
    """

    name = "nn.dropout"
    TENSOR: ClassVar = VarConstraint("TENSOR", base(TensorType))
    input = operand_def(TENSOR)
    key = operand_def(TensorType)
    counter = operand_def(TensorType)
    output = result_def(TENSOR)
    rate = prop_def(FloatAttr[Float64Type])
    assembly_format = (
        "$input `,` $key `,` $counter ` ` `{` `rate` `=` $rate `}` attr-dict "
        "`:` type($input) `,` type($key) `,` type($counter)"
    )

    def __init__(self, input: SSAValue, key: SSAValue, counter: SSAValue, rate: float):
        self.initialize([input, key, counter], {"rate": FloatAttr(rate, f64)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        cls.check_state(*operands[1:])
        rate = cast(FloatAttr[Float64Type], properties["rate"]).value.data
        if not 0 <= rate < 1:
            raise VerifyException(f"{cls.name}: the rate is {rate}, expected 0 <= rate < 1")
        cls.check_size(operands[0])
        return [operands[0]]

    def accesses(self) -> Sequence[Access]:
        rank = len(shape_of(self.results[0]))
        scalar = Access(AffineMap(rank, 0, ()))
        return [Access(AffineMap.identity(rank)), scalar, scalar]

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        x, key, counter = arguments
        rate = self.rate.value.data
        draw = _draw(b, self.block(b, key, counter, index)[0])
        threshold = scalars.constant(b, threshold_of(rate), draw)
        kept = scalars.mul(b, x, scalars.constant(b, 1 / (1 - rate), x))
        mask = scalars.compare(b, "ge", draw, threshold)
        return [scalars.select(b, mask, kept, scalars.constant(b, 0, x))]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        assert g is not None
        return [insert(b, DropoutOp(g, self.key, self.counter, self.rate.value.data)), None, None]


def threshold_of(rate: float) -> int:
    """The smallest draw that keeps an element: `rate` in units of `2**-24`."""
    return round(rate * 2**DRAW_BITS)
