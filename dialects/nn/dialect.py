"""The dialect object, listing every op of every family."""

from xdsl.ir import Dialect, Operation

from nnc.dialects.nn import (
    attention,
    batch_norm,
    checkpoint,
    cond,
    constant,
    contract,
    convolution,
    elementwise,
    functions,
    indexing,
    normalize,
    norms,
    pool,
    random,
    reduce,
    rounding,
    scan,
    shape,
    structure,
    with_gradient,
)

FAMILIES = (
    constant,
    elementwise,
    functions,
    rounding,
    shape,
    indexing,
    reduce,
    contract,
    convolution,
    pool,
    normalize,
    batch_norm,
    norms,
    attention,
    random,
    structure,
    scan,
    cond,
    checkpoint,
    with_gradient,
)


def _ops() -> list[type[Operation]]:
    return [
        op
        for family in FAMILIES
        for op in vars(family).values()
        if isinstance(op, type)
        and issubclass(op, Operation)
        and "name" in vars(op)
        and op.__module__ == family.__name__
    ]


NN = Dialect("nn", _ops(), [])
