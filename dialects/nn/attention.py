"""Scaled dot-product attention, whole until it is a kernel.

* `nn.attention`        weighs values by the softmax of products of queries and keys
* `nn.attention_grad`   its gradient, from the logarithms of the rows' sums

No probability is kept between the two: each row saves one number, from which they follow.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from xdsl.builder import Builder
from xdsl.dialects.builtin import Float64Type, FloatAttr, TensorType, UnitAttr, f32, f64
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Cotangents, Differentiable
from nnc.dialects.nn.base import GraphOp, element_of, insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.elementwise import AddOp, ExpOp, SubOp, mul, where
from nnc.dialects.nn.functions import scale
from nnc.dialects.nn.indexing import IotaOp
from nnc.dialects.nn.normalize import reduce, spread
from nnc.dialects.nn.reduce import BroadcastOp, sum_over
from nnc.dialects.nn.reverse import differentiable_ops, pull_back
from nnc.dialects.nn.shape import ReshapeOp

LOWEST = -1e30
"""What a row's maximum is at least, so that what is hidden everywhere is still hidden."""


class Sizes(NamedTuple):
    """Of an attention: leading dimensions, queries, keys, what queries and values are long."""

    batch: tuple[int, ...]
    queries: int
    keys: int
    depth: int
    width: int

    @property
    def scores(self) -> tuple[int, ...]:
        """The shape of the products of queries and keys."""
        return (*self.batch, self.queries, self.keys)

    @property
    def visible(self) -> int:
        """How many keys a causal attention shows to the first query, less one."""
        return self.keys - self.queries


class Attending(GraphOp, Differentiable):
    """An op whose first operands are queries `[…, S, D]`, keys `[…, T, D]`, values `[…, T, E]`."""

    scale = prop_def(FloatAttr[Float64Type])
    causal = opt_prop_def(UnitAttr)
    MASK: ClassVar[int]
    """Which operand is the mask, if there is one."""

    @staticmethod
    def sizes_of(operands: Sequence[Attribute | SSAValue]) -> Sizes:
        query, _, value = map(shape_of, operands[:3])
        return Sizes(query[:-2], query[-2], value[-2], query[-1], value[-1])

    @property
    def sizes(self) -> Sizes:
        return self.sizes_of(self.operands)

    @property
    def added(self) -> SSAValue | None:
        """The mask."""
        return self.operands[self.MASK] if len(self.operands) > self.MASK else None

    @classmethod
    def check(cls, operands: Sequence[Attribute]) -> Sizes:
        """Raises unless queries, keys, values and the mask, if any, fit together."""
        query, key, value = operands[:3]
        if element_of(query) not in (f32, f64):
            raise VerifyException(
                f"{cls.name}: expected elements of f32 or f64, given {query}; cast half precision"
            )
        ranks = {len(shape_of(x)) for x in operands[:3]}
        if len(ranks) > 1 or min(ranks) < 2:
            raise VerifyException(
                f"{cls.name}: query, key and value must be matrices, or batches of them, given "
                f"{query}, {key}, {value}"
            )
        sizes = cls.sizes_of(operands)
        element = element_of(query)
        expected = TensorType(element, (*sizes.batch, sizes.keys, sizes.depth))
        if key != expected:
            raise VerifyException(f"{cls.name}: key is {key}, expected {expected}")
        expected = TensorType(element, (*sizes.batch, sizes.keys, sizes.width))
        if value != expected:
            raise VerifyException(f"{cls.name}: value is {value}, expected {expected}")
        for mask in operands[cls.MASK :]:
            cls.check_mask(mask, TensorType(element, sizes.scores))
        return sizes

    @classmethod
    def check_mask(cls, mask: Attribute, scores: TensorType[Any]) -> None:
        given, full = shape_of(mask), scores.get_shape()
        fits = len(given) == len(full) and all(
            m in (1, n) for m, n in zip(given, full, strict=True)
        )
        if element_of(mask) != scores.element_type or not fits:
            raise VerifyException(
                f"{cls.name}: the mask is {mask}, expected {scores}, or 1 in the place of a size"
            )

    def rows(self) -> tuple[int, ...]:
        """The axis of the keys in the scores."""
        return (len(self.sizes.scores) - 1,)

    # The same in small ops, for gradients of gradients.

    def probabilities(self, b: Builder, log_sum: SSAValue) -> SSAValue:
        """`exp(scores - log_sum)`."""
        query, key, *_ = self.operands
        scores = insert(b, MatmulOp(query, key, transpose_rhs=True))
        scores = scale(b, scores, self.scale.value.data)
        full = shape_of(scores)
        if self.added is not None:
            mask = insert(b, BroadcastOp(self.added, full, range(len(full))))
            scores = insert(b, AddOp(scores, mask))
        if self.causal is not None:
            last = insert(b, IotaOp(full, len(full) - 2))
            last = insert(b, AddOp(last, constant(b, self.sizes.visible, last)))
            at = insert(b, IotaOp(full, len(full) - 1))
            scores = where(b, "le", at, last, scores, constant(b, -math.inf, scores))
        log_sums = spread(b, log_sum, scores, self.rows())
        return insert(b, ExpOp(insert(b, SubOp(scores, log_sums))))

    def score_grads(
        self, b: Builder, probabilities: SSAValue, delta: SSAValue, grad: SSAValue
    ) -> SSAValue:
        """`probabilities * (grad value^T - delta)`, the cotangent of the scores."""
        products = insert(b, MatmulOp(grad, self.operands[2], transpose_rhs=True))
        deltas = spread(b, delta, products, self.rows())
        return mul(b, probabilities, insert(b, SubOp(products, deltas)))

    def mask_grad(self, b: Builder, scores: SSAValue) -> SSAValue:
        """The cotangent of the mask, from that of the scores."""
        shape = shape_of(self.operands[self.MASK])
        repeated = [d for d, n in enumerate(shape_of(scores)) if shape[d] != n]
        return insert(b, ReshapeOp(sum_over(b, scores, repeated), shape))


@op_definition
class AttentionOp(Attending):
    """`output = softmax(scale * query key^T + mask) value`, and `log_sum = log(sum exp(scores))`.

    Where `causal`, the last query sees all keys, and each before it one less. A mask is added; -inf
    hides a key. The output of a query that sees no key is 0, and so is its `log_sum`.
    """

    name = "nn.attention"
    MASK: ClassVar = 3
    query = operand_def(TensorType)
    key = operand_def(TensorType)
    value = operand_def(TensorType)
    mask = opt_operand_def(TensorType)
    output = result_def(TensorType)
    log_sum = result_def(TensorType)
    assembly_format = (
        "operands ` ` `{` `scale` `=` $scale (`,` `causal` $causal^)? `}` attr-dict "
        "`:` functional-type(operands, results)"
    )

    def __init__(
        self,
        query: SSAValue,
        key: SSAValue,
        value: SSAValue,
        mask: SSAValue | None = None,
        *,
        scale: float,
        causal: bool = False,
    ):
        operands = [query, key, value] if mask is None else [query, key, value, mask]
        self.initialize(operands, attending(scale, causal))

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        sizes, element = cls.check(operands), element_of(operands[0])
        rows = (*sizes.batch, sizes.queries)
        return [TensorType(element, (*rows, sizes.width)), TensorType(element, rows)]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        grad, of_log_sum = grads
        if grad is None:
            grad = constant(b, 0.0, self.output)
        delta = reduce(b, "sum", mul(b, grad, self.output), self.rows())
        if of_log_sum is not None:
            delta = insert(b, SubOp(delta, of_log_sum))
        cotangents: list[SSAValue | None] = [None] * len(self.operands)
        if any(needed[:3]):
            found = b.insert(self._grad(delta, grad)).results
            cotangents[:3] = [r if n else None for r, n in zip(found, needed, strict=False)]
        if any(needed[3:]):
            probabilities = self.probabilities(b, self.log_sum)
            cotangents[3] = self.mask_grad(b, self.score_grads(b, probabilities, delta, grad))
        return cotangents

    def _grad(self, delta: SSAValue, grad: SSAValue) -> "AttentionGradOp":
        query, key, value = self.operands[:3]
        return AttentionGradOp(
            query,
            key,
            value,
            self.log_sum,
            delta,
            grad,
            self.added,
            scale=self.scale.value.data,
            causal=self.causal is not None,
        )


@op_definition
class AttentionGradOp(Attending):
    """The cotangents of query, key and value.

    With `p = exp(scores - log_sum)` and `s = p * (grad value^T - delta)`, where
    `delta = sum(grad * output)` for each row: `scale * s key`, `scale * s^T query`, `p^T grad`.
    """

    name = "nn.attention_grad"
    MASK: ClassVar = 6
    query = operand_def(TensorType)
    key = operand_def(TensorType)
    value = operand_def(TensorType)
    log_sum = operand_def(TensorType)
    delta = operand_def(TensorType)
    grad = operand_def(TensorType)
    mask = opt_operand_def(TensorType)
    query_grad = result_def(TensorType)
    key_grad = result_def(TensorType)
    value_grad = result_def(TensorType)
    assembly_format = AttentionOp.assembly_format

    def __init__(
        self,
        query: SSAValue,
        key: SSAValue,
        value: SSAValue,
        log_sum: SSAValue,
        delta: SSAValue,
        grad: SSAValue,
        mask: SSAValue | None = None,
        *,
        scale: float,
        causal: bool = False,
    ):
        operands = [query, key, value, log_sum, delta, grad]
        if mask is not None:
            operands.append(mask)
        self.initialize(operands, attending(scale, causal))

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        sizes, element = cls.check(operands), element_of(operands[0])
        rows = TensorType(element, (*sizes.batch, sizes.queries))
        output = TensorType(element, (*rows.get_shape(), sizes.width))
        names = ("log_sum", "delta", "grad")
        for name, given, expected in zip(names, operands[3:6], (rows, rows, output), strict=True):
            if given != expected:
                raise VerifyException(f"{cls.name}: {name} is {given}, expected {expected}")
        return operands[:3]

    def expand(self, b: Builder) -> Sequence[SSAValue]:
        """The results in small ops."""
        factor = self.scale.value.data
        probabilities = self.probabilities(b, self.log_sum)
        scores = self.score_grads(b, probabilities, self.delta, self.grad)
        return [
            scale(b, insert(b, MatmulOp(scores, self.key)), factor),
            scale(b, insert(b, MatmulOp(scores, self.query, transpose_lhs=True)), factor),
            insert(b, MatmulOp(probabilities, self.grad, transpose_lhs=True)),
        ]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        """That of the small ops."""
        ops: list[Operation] = []
        handlers = [*b.operation_insertion_handler, ops.append]
        results = self.expand(replace(b, operation_insertion_handler=handlers))
        wrt = [operand for operand, need in zip(self.operands, needed, strict=True) if need]
        seeds = {r: g for r, g in zip(results, grads, strict=True) if g is not None}
        found = dict(zip(wrt, pull_back(b, differentiable_ops(ops, wrt), seeds, wrt), strict=True))
        # A value that is several operands has all its cotangents at the first.
        return [found.pop(operand, None) for operand in self.operands]


def attending(scale: float, causal: bool) -> dict[str, Attribute | None]:
    """The properties of both ops."""
    return {"scale": FloatAttr(scale, f64), "causal": UnitAttr() if causal else None}
