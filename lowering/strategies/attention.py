"""Attention: products, softmax and products again, on scores that never leave a worker.

A worker computes one block of queries of one head at a time. The scores go to its scratch, and
become probabilities there; the products around are private kernels with the strategy of any other
product.

    forward    parallel (head, block) { scores = q k^T;  softmax of rows;  out = probabilities v }
    gradient   parallel (head) { for block { cotangents of scores;  dq = …;  dk += …;  dv += … } }

Sums over queries stay within a head, so that no two workers add to one place.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf

from xdsl.builder import Builder
from xdsl.dialects import math
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Block, Operation, SSAValue
from xdsl.ir.affine import AffineExpr

from nnc.dialects import buffer, kernel, scalars
from nnc.dialects.nn.attention import LOWEST, AttentionGradOp, AttentionOp
from nnc.dialects.nn.base import element_of, shape_of
from nnc.dialects.target import Target
from nnc.lowering.strategies.body import Evaluator, KernelBody, new_block
from nnc.lowering.strategies.nest import ZERO, Index, Nest
from nnc.lowering.strategies.products import Matrix, Products

BLOCK = 128
"""Queries in a block: enough for the register tiles, few enough for their scores to stay cached."""
THREAD_BLOCK = 8
"""The same where a block is one of very many threads."""


def has_loops(op: Operation) -> bool:
    """Whether the op is lowered here."""
    return isinstance(op, AttentionOp | AttentionGradOp)


def strategy(target: Target) -> kernel.StrategyAttr:
    block = THREAD_BLOCK if target.language == "cuda" else BLOCK
    return kernel.StrategyAttr.of("attention", block=block)


def build(function: kernel.FuncOp, target: Target) -> tuple[Block, list[kernel.FuncOp]]:
    """The kernel's loops, and the products they call."""
    [op] = KernelBody.of(function).ops
    if isinstance(op, AttentionOp):
        writer = _Forward(function, target, op)
    else:
        assert isinstance(op, AttentionGradOp)
        writer = _Gradient(function, target, op)
    writer.write()
    writer.b.insert(kernel.ReturnOp())
    return writer.block, writer.products.functions


@dataclass(frozen=True)
class Queries:
    """A block of queries of one head."""

    batch: Index
    first: AffineExpr
    rows: int

    def at(self, row: AffineExpr) -> Index:
        """Where a query is among all."""
        return (*self.batch, self.first + row)


class _Writer:
    """What both directions share: blocks of queries, and their scores."""

    def __init__(self, function: kernel.FuncOp, target: Target, op: AttentionOp | AttentionGradOp):
        assert function.strategy is not None
        body = KernelBody.of(function)
        self.attending = op
        self.sizes = op.sizes
        self.element = element_of(op.query)
        self.height = min(function.strategy.integer("block"), self.sizes.queries)
        self.block, buffers = new_block(function)
        self.nest = Nest(self.block)
        self.places = {tensor: buffers[source] for tensor, source in body.sources.items()}
        self.places |= {tensor: buffers[target] for tensor, target in body.results}
        self.products = Products(function.sym_name.data, target)

    @property
    def b(self) -> Builder:
        return self.nest.builder

    def blocks(self) -> Iterator[tuple[int, int, int]]:
        """How many blocks, of how many queries, from which on: the whole ones, then the rest."""
        queries, height = self.sizes.queries, self.height
        count, rest = divmod(queries, height) if height else (0, 0)
        if count:
            yield count, height, 0
        if rest:
            yield 1, rest, queries - rest

    @contextmanager
    def parallel(self, counts: Sequence[int]) -> Generator[Index]:
        """Independent iterations; threads share the largest dimension, which is outside."""
        order = sorted(range(len(counts)), key=lambda d: -counts[d])
        with self.nest.parallel([counts[d] for d in order]) as point:
            yield tuple(point[order.index(d)] for d in range(len(counts)))

    def scratch(self, name: str, *shape: int) -> SSAValue:
        """Memory of each worker."""
        output = self.b.insert(buffer.AllocOp(MemRefType(self.element, shape))).output
        output.name_hint = name
        return output

    def constant(self, value: float) -> SSAValue:
        return scalars.constant(self.b, value, self.element)

    def matrix(self, tensor: SSAValue, batch: Index) -> Matrix:
        """All of a head's rows of an operand or a result."""
        *_, height, width = shape_of(tensor)
        return Matrix(self.places[tensor], (*batch, ZERO, ZERO), (height, width))

    def rows(self, tensor: SSAValue, queries: Queries) -> Matrix:
        """The rows of the queries."""
        first = (*queries.batch, queries.first, ZERO)
        return Matrix(self.places[tensor], first, (queries.rows, shape_of(tensor)[-1]))

    def score(self, scores: SSAValue, place: Index, queries: Queries) -> SSAValue:
        """The score at a place of a block, scaled, with the mask; -inf where the key is hidden."""
        b, op, (row, key) = self.b, self.attending, place
        value = self.nest.load(scores, place)
        value = scalars.mul(b, value, self.constant(op.scale.value.data))
        if op.added is not None:
            at = zip(shape_of(op.added), (*queries.at(row), key), strict=True)
            index = tuple(ZERO if size == 1 else position for size, position in at)
            value = scalars.add(b, value, self.nest.load(self.places[op.added], index))
        if op.causal is None:
            return value
        coordinate = Evaluator(self.nest, {}).coordinate
        last = coordinate(queries.first + row + self.sizes.visible)
        seen = scalars.compare(b, "le", coordinate(key), last)
        return scalars.select(b, seen, value, self.constant(-inf))

    def exp(self, value: SSAValue) -> SSAValue:
        return self.b.insert(math.ExpOp(value)).result


class _Forward(_Writer):
    def __init__(self, function: kernel.FuncOp, target: Target, op: AttentionOp):
        super().__init__(function, target, op)
        self.op = op

    def write(self) -> None:
        for count, rows, start in self.blocks():
            scores = self.scratch("scores", rows, self.sizes.keys)
            factors = self.scratch("factors", rows) if self.op.output in self.places else None
            with self.parallel([*self.sizes.batch, count]) as (*batch, number):
                queries = Queries(tuple(batch), number * rows + start, rows)
                self.attend(queries, scores, factors)

    def attend(self, queries: Queries, scores: SSAValue, factors: SSAValue | None) -> None:
        """The output of a block of queries, if anyone reads it, and the sums of their powers."""
        op, nest, call = self.op, self.nest, self.products.call
        query, key = self.rows(op.query, queries), self.matrix(op.key, queries.batch)
        weights = Matrix(scores, (ZERO, ZERO), (queries.rows, self.sizes.keys))
        call(nest, "scores", query, key, weights, turned="rhs")
        with nest.parallel([queries.rows]) as (row,):
            self.softmax(queries, row, scores, factors)
        if factors is not None:
            value, out = self.matrix(op.value, queries.batch), self.rows(op.output, queries)
            call(nest, "output", weights, value, out, factors=factors)

    def softmax(
        self, queries: Queries, row: AffineExpr, scores: SSAValue, factors: SSAValue | None
    ) -> None:
        """Makes a row of scores powers, and finds the factor that makes them probabilities."""
        b, nest, op = self.b, self.nest, self.op

        def largest(key: Index, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            score = self.score(scores, (row, *key), queries)
            return [scalars.maximum(self.b, carried[0], score)]

        [found] = nest.loop(self.sizes.keys, [self.constant(-inf)], largest)
        most = scalars.maximum(b, found, self.constant(LOWEST))

        def total(key: Index, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            score = self.score(scores, (row, *key), queries)
            power = self.exp(scalars.sub(self.b, score, most))
            nest.store(power, scores, (row, *key))
            return [scalars.add(self.b, carried[0], power)]

        zero, one = self.constant(0), self.constant(1)
        [sum] = nest.loop(self.sizes.keys, [zero], total)
        seen = scalars.compare(b, "ne", sum, zero)
        divisor = scalars.select(b, seen, sum, one)
        if factors is not None:
            nest.store(scalars.div(b, one, divisor), factors, (row,))
        if op.log_sum in self.places:
            log_sum = scalars.add(b, most, b.insert(math.LogOp(divisor)).result)
            log_sum = scalars.select(b, seen, log_sum, zero)
            nest.store(log_sum, self.places[op.log_sum], queries.at(row))


class _Gradient(_Writer):
    def __init__(self, function: kernel.FuncOp, target: Target, op: AttentionGradOp):
        super().__init__(function, target, op)
        self.op = op
        self.scores = self.scratch("scores", self.height, self.sizes.keys)
        self.grads = self.scratch("score_grads", self.height, self.sizes.keys)

    def write(self) -> None:
        with self.parallel(self.sizes.batch) as batch:
            for result in (self.op.key_grad, self.op.value_grad):
                self.clear(result, batch)
            for count, rows, start in self.blocks():
                self.nest.loop(count, [], partial(self.step, batch, rows, start))

    def clear(self, result: SSAValue, batch: Index) -> None:
        if result in self.places:
            with self.nest.parallel(shape_of(result)[-2:]) as place:
                self.nest.store(self.constant(0), self.places[result], (*batch, *place))

    def step(
        self, batch: Index, rows: int, start: int, number: Index, carried: Sequence[SSAValue]
    ) -> Sequence[SSAValue]:
        """Adds what a block of queries gives."""
        self.add(Queries(batch, number[0] * rows + start, rows))
        return carried

    def add(self, queries: Queries) -> None:
        op, nest, call, places = self.op, self.nest, self.products.call, self.places
        query, grad = self.rows(op.query, queries), self.rows(op.grad, queries)
        key, value = (self.matrix(x, queries.batch) for x in (op.key, op.value))
        shape = queries.rows, self.sizes.keys
        weights, of_scores = (Matrix(x, (ZERO, ZERO), shape) for x in (self.scores, self.grads))
        call(nest, "scores", query, key, weights, turned="rhs")
        call(nest, "score_grads", grad, value, of_scores, turned="rhs")
        with nest.parallel(shape) as place:
            self.weigh(queries, place)
        if op.value_grad in places:
            out = self.matrix(op.value_grad, queries.batch)
            call(nest, "value_grad", weights, grad, out, turned="lhs", added=True)
        if op.key_grad in places:
            out = self.matrix(op.key_grad, queries.batch)
            call(nest, "key_grad", of_scores, query, out, turned="lhs", added=True)
        if op.query_grad in places:
            call(nest, "query_grad", of_scores, key, self.rows(op.query_grad, queries))

    def weigh(self, queries: Queries, place: Index) -> None:
        """Makes a score a probability, and `grad value^T` beside it the product's cotangent."""
        b, nest, op, at = self.b, self.nest, self.op, queries.at(place[0])
        score = self.score(self.scores, place, queries)
        weight = self.exp(scalars.sub(b, score, nest.load(self.places[op.log_sum], at)))
        change = scalars.sub(b, nest.load(self.grads, place), nest.load(self.places[op.delta], at))
        scale = self.constant(op.scale.value.data)
        nest.store(weight, self.scores, place)
        nest.store(scalars.mul(b, scalars.mul(b, weight, change), scale), self.grads, place)
