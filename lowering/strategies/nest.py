"""Writing loops: a builder that knows the index values around it.

Subscripts are affine expressions whose dimension i is `nest.indices[i]`, the i-th index value
counted from the outermost loop. Loops of one iteration are not built, their index is 0; nor are
loops of none.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from xdsl.builder import Builder
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Region, SSAValue
from xdsl.ir.affine import AffineConstraintExpr, AffineExpr, AffineMap, AffineSet
from xdsl.rewriter import InsertPoint

from nnc.dialects import buffer, loop, scalars

Index = tuple[AffineExpr, ...]
"""One expression per dimension."""

Step = Callable[[Index, Sequence[SSAValue]], Sequence[SSAValue]]
"""Writes one iteration: from its index and the carried values to the next carried values."""

index_type = IndexType()
ZERO = AffineExpr.constant(0)
HINTS = "ijklmnpq"
"""Names of index values, by depth."""


def apply(map: AffineMap, index: Index, dimensions: int) -> Index:
    """The index that `map` gives for `index`."""
    return map.replace_dims_and_symbols(list(index), [], dimensions, 0).results


class Nest:
    """A place to write in, inside of loops."""

    def __init__(self, block: Block):
        self.builder = Builder(InsertPoint.at_end(block))
        self.indices: list[SSAValue] = []
        self.scopes: list[dict[object, SSAValue]] = [{}]

    def remembered(self, key: object) -> SSAValue | None:
        """A value remembered here or in an enclosing body."""
        for scope in reversed(self.scopes):
            if key in scope:
                return scope[key]
        return None

    def remember(self, key: object, value: SSAValue) -> SSAValue:
        """Keeps a value for the rest of this body."""
        self.scopes[-1][key] = value
        return value

    def map(self, index: Index) -> AffineMap:
        return AffineMap(len(self.indices), 0, index)

    def load(self, source: SSAValue, index: Index) -> SSAValue:
        key = (source, index)
        known = self.remembered(key)
        if known is not None:
            return known
        return self.remember(key, self.load_at(source, self.indices, self.map(index)))

    def load_at(self, source: SSAValue, indices: Sequence[SSAValue], map: AffineMap) -> SSAValue:
        """The element at a subscript, in the type it is computed in."""
        op = self.builder.insert(buffer.LoadOp(source, indices, map))
        return scalars.extended(self.builder, op.output)

    def store(self, value: SSAValue, target: SSAValue, index: Index) -> None:
        self.store_at(value, target, self.indices, self.map(index))

    def store_at(
        self, value: SSAValue, target: SSAValue, indices: Sequence[SSAValue], map: AffineMap
    ) -> None:
        """Stores an element at a subscript, in the buffer's type."""
        value = scalars.stored(self.builder, value, buffer.type_of(target).element_type)
        self.builder.insert(buffer.StoreOp(value, target, indices, map))

    @contextmanager
    def _inside(self, body: Block, indices: int) -> Generator[None]:
        outer = self.builder
        self.builder = Builder(InsertPoint.at_end(body))
        for depth, value in enumerate(body.args[:indices], len(self.indices)):
            value.name_hint = HINTS[depth % len(HINTS)]
        self.indices += body.args[:indices]
        self.scopes.append({})
        yield
        self.scopes.pop()
        del self.indices[len(self.indices) - indices :]
        self.builder = outer

    @contextmanager
    def parallel(self, counts: Sequence[int]) -> Generator[Index]:
        """The body for each point of a space; yields the point's index."""
        looped = [c for c in counts if c != 1]
        body = Block(arg_types=[index_type] * len(looped))
        positions = iter(range(len(self.indices), len(self.indices) + len(looped)))
        point = tuple(ZERO if c == 1 else AffineExpr.dimension(next(positions)) for c in counts)
        if not looped:
            yield point
            return
        with self._inside(body, len(looped)):
            yield point
            self.builder.insert(loop.YieldOp())
        if 0 in looped:
            body.erase()
        else:
            self.builder.insert(loop.ParallelOp(looped, Region(body)))

    def loop(
        self, count: int, inits: Sequence[SSAValue], step: Step, unroll: int = 1
    ) -> Sequence[SSAValue]:
        """Runs `step` in order; returns the values carried out of the last iteration."""
        if count == 0:
            return inits
        if count == 1:
            return step((ZERO,), inits)
        body = Block(arg_types=[index_type, *(i.type for i in inits)])
        position = AffineExpr.dimension(len(self.indices))
        with self._inside(body, 1):
            self.builder.insert(loop.YieldOp(step((position,), body.args[1:])))
        return self.builder.insert(loop.ForOp(count, inits, Region(body), unroll)).outputs

    def loops(
        self, counts: Sequence[int], inits: Sequence[SSAValue], step: Step, unroll: int = 1
    ) -> Sequence[SSAValue]:
        """Nested loops, in order, the last index running fastest and unrolled."""
        if not counts:
            return step((), inits)

        def outer(index: Index, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            def inner(rest: Index, values: Sequence[SSAValue]) -> Sequence[SSAValue]:
                return step((*index, *rest), values)

            return self.loops(counts[1:], carried, inner, unroll)

        return self.loop(counts[0], inits, outer, unroll if len(counts) == 1 else 1)

    def when(
        self,
        condition: AffineSet,
        index: Index,
        otherwise: Sequence[SSAValue],
        body: Callable[[], Sequence[SSAValue]],
    ) -> Sequence[SSAValue]:
        """`body()` where the condition holds at `index`, else `otherwise`."""
        here = AffineSet(
            len(self.indices),
            0,
            tuple(
                AffineConstraintExpr(
                    c.kind,
                    *apply(
                        AffineMap(condition.num_dims, 0, (c.lhs, c.rhs)), index, len(self.indices)
                    ),
                )
                for c in condition.constraints
            ),
        )
        block = Block()
        indices = list(self.indices)
        with self._inside(block, 0):
            self.builder.insert(loop.YieldOp(body()))
        return self.builder.insert(loop.WhenOp(here, indices, otherwise, Region(block))).outputs
