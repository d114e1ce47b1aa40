"""The elementwise ops after a contraction, evaluated on one register tile."""

from collections.abc import Sequence

from xdsl.ir import SSAValue
from xdsl.ir.affine import AffineMap

from nnc.dialects import scalars, tile
from nnc.dialects.interfaces import Structured
from nnc.dialects.nn.base import element_of
from nnc.lowering.strategies.affine import linear_map
from nnc.lowering.strategies.contraction_plan import Extent, Leaf, Plan, moved_by
from nnc.lowering.strategies.nest import ZERO, Nest


class Epilogue:
    """From the tile's sums of products to the tiles of the kernel's results."""

    def __init__(
        self,
        plan: Plan,
        nest: Nest,
        extent: Extent,
        windows: Sequence[SSAValue],
        products: SSAValue,
    ):
        self.plan = plan
        self.nest = nest
        self.extent = extent
        self.windows = dict(zip(plan.leaves, windows, strict=True))
        self.identity = AffineMap.identity(len(plan.parallel))
        self.values: dict[tuple[SSAValue, AffineMap], SSAValue] = {
            (plan.op.results[0], self.identity): products
        }

    def value(self, tensor: SSAValue) -> SSAValue:
        """A result's tile."""
        return self._at(tensor, self.identity)

    def _at(self, tensor: SSAValue, map: AffineMap) -> SSAValue:
        """The tile of a tensor that is read at a map of the result's index."""
        if (tensor, map) not in self.values:
            window = self.windows.get(Leaf(tensor, map))
            if window is not None:
                self.values[tensor, map] = self._load(window, map)
            else:
                self._compute(tensor, map)
        return self.values[tensor, map]

    def _compute(self, tensor: SSAValue, map: AffineMap) -> None:
        op = tensor.owner
        assert isinstance(op, Structured)
        arguments = [
            self._at(operand, access.map.compose(map))
            for operand, access in zip(op.operands, op.accesses(), strict=True)
        ]
        b = self.nest.builder
        for result, value in zip(op.results, op.scalar(b, arguments, no_index), strict=True):
            self.values[result, map] = self._filled(scalars.wrapped(b, value, element_of(result)))

    def _filled(self, value: SSAValue) -> SSAValue:
        """A constant is a scalar until it meets the tile."""
        if scalars.element_type(value.type) is not value.type:
            return value
        return self.nest.builder.insert(tile.FillOp(value, self.plan.shape(self.extent))).output

    def _load(self, window: SSAValue, map: AffineMap) -> SSAValue:
        """What a window holds for the tile: all of it, one row or column repeated, or a scalar."""
        parts = linear_map(map)
        assert parts is not None
        shape, limit = self.plan.shape(self.extent), self.plan.limit(self.extent)
        nest, origin = self.nest, (ZERO,) * len(parts)
        used = [
            position
            for position, dim in enumerate(self.plan.tile_dims)
            if any(part.coefficients[dim] for part in parts)
        ]
        if not used:
            return self._filled(nest.load(window, origin))
        load = tile.LoadOp(
            window,
            nest.indices,
            nest.map(origin),
            [moved_by(parts, self.plan.tile_dims[position]) for position in used],
            [shape[position] for position in used],
            None if limit is None else [limit[position] for position in used],
        )
        value = scalars.extended(nest.builder, nest.builder.insert(load).output)
        if len(used) == len(shape):
            return value
        return nest.builder.insert(tile.BroadcastOp(value, used[0], shape)).output


def no_index(dimension: int) -> SSAValue:
    """An epilogue has no op that asks for its coordinate: `kernel-fuse` keeps them out."""
    raise ValueError("an op that needs its index cannot follow a contraction in one kernel")
