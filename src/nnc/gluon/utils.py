"""Helpers of Gluon programs."""

import hashlib
import math
import ssl
import urllib.request
import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from nnc import nd
from nnc.arrays.array import NDArray, array
from nnc.checks import axis_of, count
from nnc.device import place_named
from nnc.errors import OptionError, ShapeError
from nnc.gluon.atomic import Filename, write_whole


def split_data(
    data: NDArray, num_slice: int, batch_axis: int = 0, even_split: bool = True
) -> list[NDArray]:
    """The batch in `num_slice` parts."""
    count("split_data: num_slice", num_slice)
    batch_axis = axis_of("split_data", batch_axis, data.ndim)
    size = data.shape[batch_axis]
    if even_split and size % num_slice:
        raise ShapeError(
            f"split_data: a batch of {size} cannot be divided evenly into {num_slice} slices; "
            "choose another batch size, or even_split=False"
        )
    bounds = [size * i // num_slice for i in range(num_slice + 1)]
    before = (slice(None),) * batch_axis
    return [data[(*before, slice(*pair))] for pair in pairwise(bounds)]


def split_and_load(
    data: Any, ctx_list: Sequence[object], batch_axis: int = 0, even_split: bool = True
) -> list[NDArray]:
    """The batch, on the one device of the list."""
    place = place_named("split_and_load", ctx_list)
    return [array(data, ctx=place) if not isinstance(data, NDArray) else data.as_in_context(place)]


def clip_global_norm(
    arrays: Sequence[NDArray], max_norm: float, check_isfinite: bool = True
) -> float | NDArray:
    """Scales arrays in place so that the norm of all of them together is at most `max_norm`.

    Returns the norm before. With `check_isfinite` it is a number, which has to be computed now;
    without, an array, and clipping is a part of the program of the step that follows.
    """
    if not arrays:
        raise OptionError("clip_global_norm: expected at least one array")
    dtype = "float64" if any(x.dtype == "float64" for x in arrays) else "float32"
    squares = [x.astype(dtype, copy=False).square().sum() for x in arrays]
    norm = nd.sqrt(sum(squares[1:], squares[0]))
    scale = nd.minimum(max_norm / (norm + 1e-8), 1.0)
    for x in arrays:
        x *= scale.astype(x.dtype, copy=False)
    if not check_isfinite:
        return norm
    number = float(norm)
    if not math.isfinite(number):
        warnings.warn(f"clip_global_norm: the norm is {number}", stacklevel=2)
    return number


def check_sha1(filename: Filename, sha1_hash: str) -> bool:
    """Whether a file has this SHA-1."""
    with open(filename, "rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest() == sha1_hash


def download(
    url: str,
    path: Filename | None = None,
    overwrite: bool = False,
    sha1_hash: str | None = None,
    retries: int = 5,
    verify_ssl: bool = True,
) -> str:
    """Fetches a file to `path`, a name or a folder, unless it is there; returns its name.

    It appears when it is complete. A file of another SHA-1 than the one given is fetched anew, and
    an error if it arrives that way.
    """
    name = url.split("/")[-1].split("?")[0]
    target = Path(path or name).expanduser()
    target = target / name if target.is_dir() else target
    if target.exists() and not overwrite and (not sha1_hash or check_sha1(target, sha1_hash)):
        return str(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in reversed(range(count("download: retries", retries) + 1)):
        try:
            write_whole(target, fetched(url, sha1_hash, verify_ssl))
            break
        except OSError as error:
            if not left:
                raise OSError(f"download: {url} could not be fetched: {error}") from None
    return str(target)


def fetched(url: str, sha1_hash: str | None, verify_ssl: bool) -> Iterator[bytes]:
    """What is at an address, piece by piece; an error at the end if its SHA-1 is another."""
    seen = hashlib.sha1()
    context = ssl.create_default_context()
    if not verify_ssl:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(url, context=context) as source:
        while piece := source.read(1 << 20):
            seen.update(piece)
            yield piece
    if sha1_hash and seen.hexdigest() != sha1_hash:
        raise OptionError(f"download: {url} has the SHA-1 {seen.hexdigest()}, expected {sha1_hash}")
