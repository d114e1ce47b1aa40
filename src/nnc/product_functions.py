"""Products of matrices and tensors."""

import math
from typing import Any

from nnc.array import NDArray, as_array
from nnc.errors import OptionError, ShapeError
from nnc.shape_functions import swapaxes


def dot(x: Any, y: Any, transpose_a: bool = False, transpose_b: bool = False) -> NDArray:
    """The product over the last axis of `x` and the first of `y`.

    With `transpose_a` over the first of `x`, with `transpose_b` over the last of `y`.
    """
    left, right = as_array(x), as_array(y)
    left = left.transpose(*range(1, left.ndim), 0) if transpose_a and left.ndim > 1 else left
    last = right.ndim - 1
    right = right.transpose(last, *range(last)) if transpose_b and last > 0 else right
    if left.ndim <= 2 and right.ndim <= 2:
        return left @ right
    rows, columns = left.reshape(-1, left.shape[-1]), right.reshape(right.shape[0], -1)
    return (rows @ columns).reshape(*left.shape[:-1], *right.shape[1:])


def batch_dot(x: Any, y: Any, transpose_a: bool = False, transpose_b: bool = False) -> NDArray:
    """The product of the last two axes for each of the others."""
    left, right = as_array(x), as_array(y)
    left = swapaxes(left, -1, -2) if transpose_a else left
    return left @ (swapaxes(right, -1, -2) if transpose_b else right)


def linalg_gemm2(
    x: Any, y: Any, transpose_a: bool = False, transpose_b: bool = False, alpha: float = 1.0
) -> NDArray:
    """`alpha` times the product of the last two axes."""
    product = batch_dot(x, y, transpose_a, transpose_b)
    return product if alpha == 1 else product * alpha


def einsum(subscripts: str, *operands: Any) -> NDArray:
    """A sum of products by the names of axes, as "bij,bjk->bik": two operands at a time."""
    given, arrow, result = subscripts.replace(" ", "").partition("->")
    names = given.split(",")
    arrays = [as_array(x) for x in operands]
    if len(names) != len(arrays) or "." in subscripts or any(len(set(n)) < len(n) for n in names):
        raise OptionError(
            f"einsum: expected different letters for the axes of each of {len(arrays)} operands, "
            f"given '{subscripts}'"
        )
    if not arrow:
        result = "".join(sorted(c for c in set(given) - {","} if given.count(c) == 1))
    if unknown := set(result) - set(given):
        raise OptionError(f"einsum: no operand has an axis '{min(unknown)}' of the result")
    for name, x in zip(names, arrays, strict=True):
        if len(name) != x.ndim:
            raise ShapeError(f"einsum: '{name}' names {len(name)} axes, given shape {x.shape}")
    name, total = names[0], arrays[0]
    for i in range(1, len(names)):
        later = result + "".join(names[i + 1 :])
        name, total = contracted(name, total, names[i], arrays[i], later)
    total, name = summed(name, total, result)
    return total if name == result else total.transpose(*map(name.index, result))


def summed(name: str, x: NDArray, kept: str) -> tuple[NDArray, str]:
    """Without the axes that nobody needs any more."""
    gone = tuple(i for i, letter in enumerate(name) if letter not in kept)
    return (x.sum(gone) if gone else x), "".join(c for c in name if c in kept)


def contracted(a: str, x: NDArray, b: str, y: NDArray, later: str) -> tuple[str, NDArray]:
    """The product of two operands, summed over the axes that only they have."""
    x, a = summed(a, x, later + b)
    y, b = summed(b, y, later + a)
    sizes = dict(zip(a, x.shape, strict=True))
    for letter, size in zip(b, y.shape, strict=True):
        if sizes.setdefault(letter, size) != size:
            raise ShapeError(f"einsum: axis '{letter}' has size {sizes[letter]} and {size}")
    both = [c for c in a if c in b]
    batch, inner = [c for c in both if c in later], [c for c in both if c not in later]
    rows, columns = [c for c in a if c not in b], [c for c in b if c not in a]

    def arranged(name: str, z: NDArray, *groups: list[str]) -> NDArray:
        order = [name.index(c) for group in groups for c in group]
        shape = [math.prod(sizes[c] for c in group) for group in groups]
        return z.transpose(*order).reshape(tuple(shape)) if order else z.reshape(tuple(shape))

    product = arranged(a, x, batch, rows, inner) @ arranged(b, y, batch, inner, columns)
    name = "".join([*batch, *rows, *columns])
    return name, product.reshape(tuple(sizes[c] for c in name))
