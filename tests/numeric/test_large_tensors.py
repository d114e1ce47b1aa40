"""More than 2^31 elements: offsets in C have 64 bits. Memory that nobody touches costs nothing."""

from functools import partial

import numpy as np
import pytest
from batch import Batch, Case

from nnc.dialects.nn.indexing import GatherOp
from nnc.dialects.nn.shape import SliceOp

HALF = 1 << 30


@pytest.mark.parametrize("target", ["c99", "sse2"])
def test_offsets_beyond_32_bits(target: str) -> None:
    x = np.zeros((3, HALF), np.uint8)
    x[1, 5], x[2, -10:] = 7, np.arange(10)
    rows, wanted = x.reshape(3 << 10, 1 << 20), np.array([3071, 1024])
    far = partial(SliceOp, starts=(1, HALF - 10), limits=(3, HALF))
    apart = partial(SliceOp, starts=(0, 5), limits=(3, HALF), strides=(1, HALF - 10))
    cases = [
        Case("far", far, (x,)),
        Case("apart", apart, (x,)),
        Case("rows", partial(GatherOp, axis=0), (rows, wanted)),
    ]
    results = Batch(cases, target).program(*(i for case in cases for i in case.inputs))
    expected = [x[1:, -10:], x[:, 5 :: HALF - 10], rows[wanted]]
    for given, right in zip(results, expected, strict=True):
        np.testing.assert_array_equal(given, right)
