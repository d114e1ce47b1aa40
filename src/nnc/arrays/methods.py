"""The methods of arrays that are functions of `nnc.nd`, and the operators of masks."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnc.arrays.arithmetic import Arithmetic
from nnc.errors import DtypeError
from nnc.operators import elementwise as elements
from nnc.recording.graph import Operation

METHODS = """
all any arccos arccosh arcsin arcsinh arctan arctanh argmax_channel argmin argsort broadcast_axes
broadcast_like cbrt ceil cos cosh cumprod cumsum degrees depth_to_space diag diagonal dot expm1
fix flip floor log10 log1p log2 logsumexp nanprod nansum nonzero norm one_hot ones_like pad pick
radians ravel rcbrt reciprocal repeat reshape_like rint round rsqrt shape_array sign sin sinh
size_array slice slice_axis slice_like softmin sort space_to_depth split split_v2 std swapaxes tan
tile topk trace trunc var zeros_like
"""
"""What `nnc.nd` gives arrays: the array is the first argument."""


class Methods(Arithmetic):
    """What arrays compute by functions."""

    __slots__ = ()

    if TYPE_CHECKING:
        from nnc.nd import (
            all,
            any,
            arccos,
            arccosh,
            arcsin,
            arcsinh,
            arctan,
            arctanh,
            argmax_channel,
            argmin,
            argsort,
            broadcast_axes,
            broadcast_like,
            cbrt,
            ceil,
            cos,
            cosh,
            cumprod,
            cumsum,
            degrees,
            depth_to_space,
            diag,
            diagonal,
            dot,
            expm1,
            fix,
            flip,
            floor,
            log1p,
            log2,
            log10,
            logsumexp,
            nanprod,
            nansum,
            nonzero,
            norm,
            one_hot,
            ones_like,
            pad,
            pick,
            radians,
            ravel,
            rcbrt,
            reciprocal,
            repeat,
            reshape_like,
            rint,
            round,
            rsqrt,
            shape_array,
            sign,
            sin,
            sinh,
            size_array,
            slice,
            slice_axis,
            slice_like,
            softmin,
            sort,
            space_to_depth,
            split,
            split_v2,
            std,
            swapaxes,
            tan,
            tile,
            topk,
            trace,
            trunc,
            var,
            zeros_like,
        )

    stype = "default"
    """How elements are stored, as in MXNet: all of them."""

    def as_np_ndarray(self) -> Self:
        """The array itself: those of `np` and of `nd` are one kind."""
        return self

    as_nd_ndarray = as_np_ndarray

    def _of_masks(self, sign: str, operation: Operation, other: Any) -> Self:
        for each in (self, other):
            kind = getattr(each, "dtype", type(each))
            if not np.issubdtype(kind, np.bool_):
                raise DtypeError(f"{sign}: expected masks of dtype bool, given {kind}")
        return self.combine(operation, self, other)

    def __and__(self, other: Any) -> Self:
        return self._of_masks("&", elements.logical_and, other)

    def __or__(self, other: Any) -> Self:
        return self._of_masks("|", elements.logical_or, other)

    def __xor__(self, other: Any) -> Self:
        return self._of_masks("^", elements.logical_xor, other)

    def __invert__(self) -> Self:
        return self._of_masks("~", elements.logical_xor, True)
