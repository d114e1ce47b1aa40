"""Arrays in files of MXNet's format, by name or in a list."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from nnc.arrays.array import NDArray, array
from nnc.errors import OptionError


def save(
    fname: str | os.PathLike[str], data: NDArray | Sequence[NDArray] | Mapping[str, NDArray]
) -> None:
    """Write arrays as MXNet's `nd.save` does; the file appears when it is complete."""
    from nnc.gluon.atomic import write_whole
    from nnc.gluon.mxnet_format import chunks

    names: list[str] = list(data) if isinstance(data, Mapping) else []
    given: list[Any] = [data] if isinstance(data, NDArray) else list(data)
    if isinstance(data, Mapping):
        given = list(data.values())
    for one in given:
        if not isinstance(one, NDArray):
            raise OptionError(f"save: expected arrays of nnc.nd, given {type(one).__name__}")
    write_whole(fname, chunks([one.asnumpy() for one in given], names))


def load(fname: str | os.PathLike[str]) -> list[NDArray] | dict[str, NDArray]:
    """The arrays of a file, which MXNet or nnc has written: a dict if they have names."""
    from nnc.gluon import files, mxnet_format
    from nnc.gluon.atomic import read_whole

    data = read_whole("nd.load", fname)
    if mxnet_format.is_params(data):
        listed, names = mxnet_format.listed_in(str(fname), data)
        if not names:
            return [array(one, one.dtype) for one in listed]
    return {name: array(one, one.dtype) for name, one in files.load(fname, "nd.load").items()}
