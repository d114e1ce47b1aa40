"""`Block.save` and `load`: parameters, and of which blocks they are."""

import json
from typing import TYPE_CHECKING

from nnc.errors import OptionError
from nnc.gluon.atomic import Filename, read_whole, write_whole
from nnc.gluon.parameter_files import load_parameters, save_parameters

if TYPE_CHECKING:
    from nnc.gluon.block import Block


def classes(net: "Block") -> dict[str, str]:
    """The class of each block by its place in the tree; the network itself is at ""."""
    return {path: type(block).__name__ for path, block in net.named_blocks()}


def save_model(net: "Block", prefix: Filename) -> None:
    """Writes the parameters, then what they belong to."""
    save_parameters(net.collect_params(), f"{prefix}-model.params", False)
    text = json.dumps({"blocks": classes(net)}, indent=1)
    write_whole(f"{prefix}-model.json", [text.encode()])


def load_model(net: "Block", prefix: Filename) -> None:
    """Reads the parameters if the network has the same blocks."""
    filename, own = f"{prefix}-model.json", classes(net)
    try:
        saved: dict[str, str] = json.loads(read_whole("load", filename))["blocks"]
        places = [*own, *(place for place in saved if place not in own)]
        differing = [place for place in places if saved.get(place) != own.get(place)]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OptionError(f"{filename} is not a file that Block.save wrote") from None
    if differing:
        place = differing[0]
        raise OptionError(
            f"{filename} does not fit the network: at '{place}' it has "
            f"{saved.get(place, 'nothing')}, the network {own.get(place, 'nothing')}"
        )
    load_parameters(net.collect_params(), f"{prefix}-model.params", None, False, False, False)
