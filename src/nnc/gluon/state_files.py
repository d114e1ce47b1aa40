"""States in files: dictionaries of arrays and of what JSON knows, as safetensors.

An array stands in the JSON as `{"array": NAME}`, a dictionary as `{"dict": …}`. Nothing in a file
is ever executed.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from nnc.arrays.array import NDArray
from nnc.errors import OptionError
from nnc.gluon.atomic import Filename
from nnc.gluon.files import CHECKSUM, load_safetensors, save_safetensors, texts_of
from nnc.recording.graph import Memory

VERSION = "1"
State = dict[str, Any]


def save_state(filename: Filename, kind: str, state: State) -> None:
    """Write a state; the file appears when it is complete."""
    arrays: dict[str, Memory] = {}
    text = json.dumps(encoded(kind, state, arrays))
    save_safetensors(filename, arrays, {"nnc": kind, "version": VERSION, "state": text})


def load_state(filename: Filename, kind: str, what: str = "load") -> State:
    """The state in a file of this kind; `what` is the call that wants it."""
    arrays, texts = load_safetensors(filename, what)
    return state_in(str(filename), kind, texts, arrays)


def peek_state(filename: Filename, kind: str) -> State:
    """The state without its arrays, which are None."""
    return state_in(str(filename), kind, texts_of(filename), {})


def state_in(
    filename: str, kind: str, texts: Mapping[str, str], arrays: Mapping[str, Memory]
) -> State:
    if texts.get("nnc") != kind:
        raise OptionError(
            f"{filename} holds {texts.get('nnc', 'only arrays')}, expected the state of a {kind}"
        )
    if texts.get("version") != VERSION:
        raise OptionError(
            f"{filename} has version {texts.get('version')} of the format, this nnc reads {VERSION}"
        )
    if CHECKSUM not in texts:
        raise OptionError(f"{filename} is damaged: it has lost its checksum")
    return decoded(json.loads(texts["state"]), arrays)


def encoded(path: str, value: Any, arrays: dict[str, Memory]) -> Any:
    """The value as JSON; its arrays are added to `arrays`, by their place in the state."""
    match value:
        case dict():
            items = cast(dict[Any, Any], value).items()
            return {"dict": {key_of(path, k): encoded(f"{path}/{k}", v, arrays) for k, v in items}}
        case list() | tuple():
            given = cast(list[Any], value)
            return [encoded(f"{path}/{i}", each, arrays) for i, each in enumerate(given)]
        case NDArray() | np.ndarray():
            arrays[path] = value.asnumpy() if isinstance(value, NDArray) else value
            return {"array": path}
        case np.generic():
            return value.item()
        case str() | int() | float() | None:
            return value
        case _:
            raise OptionError(
                f"{path}: a file holds numbers, texts, arrays, lists and dicts, given "
                f"{type(value).__name__}"
            )


def key_of(path: str, key: object) -> str:
    if isinstance(key, str):
        return key
    raise OptionError(f"{path}: expected texts as keys of a dict, given {key!r}")


def decoded(value: Any, arrays: Mapping[str, Memory]) -> Any:
    """The reverse of `encoded`; tuples have become lists."""
    match value:
        case {"array": name}:
            return arrays.get(name)
        case {"dict": dict(items)}:
            return {key: decoded(each, arrays) for key, each in items.items()}
        case list():
            return [decoded(each, arrays) for each in cast(list[Any], value)]
        case _:
            return value
