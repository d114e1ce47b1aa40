"""Products of matrices and tensors."""

import math
from typing import Any

from nnc.array_functions.shape import swapaxes
from nnc.arrays.array import NDArray, as_array
from nnc.errors import OptionError, ShapeError


def dot(x: Any, y: Any, transpose_a: bool = False, transpose_b: bool = False) -> NDArray:
    """The product over the last axis of `x` and the first of `y`; numbers multiply.

    With `transpose_a` over the first of `x`, with `transpose_b` over the last of `y`.
    """
    left, right = as_array(x), as_array(y)
    left = left.transpose(*range(1, left.ndim), 0) if transpose_a and left.ndim > 1 else left
    last = right.ndim - 1
    right = right.transpose(last, *range(last)) if transpose_b and last > 0 else right
    if not min(left.ndim, right.ndim):
        return left * right
    if max(left.ndim, right.ndim) <= 2:
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


REST = "0123456789"
"""Names of the axes that `...` stands for, counted from the last."""


def einsum(subscripts: str, *operands: Any) -> NDArray:
    """A sum of products by the names of axes, as "bij,bjk->bik": two operands at a time.

    A letter twice in an operand means its diagonal; `...` any axes, broadcast.
    """
    given, arrow, result = str(subscripts).replace(" ", "").partition("->")
    arrays = [as_array(x) for x in operands]
    names = [given] if not arrays else given.split(",")
    if len(names) != len(arrays) or not all(map(is_subscript, [*names, result])):
        raise OptionError(
            f"einsum: expected letters, and perhaps '...', for the axes of each of {len(arrays)} "
            f"operands, given '{subscripts}'"
        )
    if not arrow:
        letters = [c for c in given if c.isalpha()]
        result = "..." + "".join(sorted(c for c in letters if letters.count(c) == 1))
    names, arrays = without_rest(names, arrays)
    rest = "".join(c for c in REST if any(c in name for name in names))
    result = result.replace("...", rest)
    if unknown := set(result) - set("".join(names)):
        raise OptionError(f"einsum: no operand has an axis '{min(unknown)}' of the result")
    if len(set(result)) < len(result):
        raise OptionError(f"einsum: the result has an axis twice, given '{subscripts}'")
    name, total = diagonal(names[0], arrays[0])
    for i in range(1, len(names)):
        later = result + "".join(names[i + 1 :])
        name, total = contracted(name, total, *diagonal(names[i], arrays[i]), later)
    total, name = summed(name, total, result)
    return total if name == result else total.transpose(*map(name.index, result))


def is_subscript(name: str) -> bool:
    """Whether it is letters, and at most one `...`."""
    letters = name.replace("...", "", 1)
    return not letters or (letters.isascii() and letters.isalpha())


def without_rest(names: list[str], arrays: list[NDArray]) -> tuple[list[str], list[NDArray]]:
    """The axes of `...` by name; those of size 1 that are broadcast are left out."""
    named: list[str] = []
    sizes = dict.fromkeys(REST, 1)
    for name, x in zip(names, arrays, strict=True):
        letters = name.replace("...", "")
        if len(letters) > x.ndim or (len(letters) < x.ndim and letters == name):
            raise ShapeError(f"einsum: '{name}' names {len(letters)} axes, given shape {x.shape}")
        named.append(name.replace("...", REST[len(REST) - x.ndim + len(letters) :]))
        for axis, size in zip(named[-1], x.shape, strict=True):
            if axis in REST and size != 1:
                if sizes[axis] not in (1, size):
                    raise ShapeError(
                        f"einsum: axes of '...' have sizes {sizes[axis]} and {size}, which cannot "
                        "be broadcast together"
                    )
                sizes[axis] = size
    for i, (name, x) in enumerate(zip(named, arrays, strict=True)):
        ones = [c for c, size in zip(name, x.shape, strict=True) if size != sizes.get(c, size)]
        named[i] = "".join(c for c in name if c not in ones)
        arrays[i] = x.squeeze(tuple(map(name.index, ones))) if ones else x
    return named, arrays


def diagonal(name: str, x: NDArray) -> tuple[str, NDArray]:
    """The elements where all axes of one name have one position, along one axis at the end."""
    for letter in name:
        while name.count(letter) > 1:
            first, other = name.index(letter), name.rindex(letter)
            size = x.shape[first]
            if x.shape[other] != size:
                raise ShapeError(f"einsum: axis '{letter}' has size {size} and {x.shape[other]}")
            rest = [i for i in range(x.ndim) if i not in (first, other)]
            square = x.transpose(*rest, first, other).reshape(*(x.shape[i] for i in rest), -1)
            x, name = square[..., :: size + 1], "".join(name[i] for i in rest) + letter
    return name, x


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
