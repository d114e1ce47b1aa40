"""Parameters of a network in files: which array of a file is whose."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from nnc.dtypes import dtype_name, numeric
from nnc.errors import OptionError, ShapeError
from nnc.gluon.atomic import Filename
from nnc.gluon.files import load, save, writes_params
from nnc.gluon.parameter import Parameter
from nnc.recording.graph import Memory
from nnc.runtime.device import Place

Parameters = Mapping[str, Parameter]
Arrays = Mapping[str, Memory]


def save_parameters(parameters: Parameters, filename: Filename, deduplicate: bool) -> None:
    """Writes the values by the parameters' names."""
    if deduplicate:
        parameters = each_once(parameters)
    arrays = {name: p.data().asnumpy() for name, p in parameters.items()}
    save(filename, with_mxnet_names(arrays) if writes_params(filename) else arrays)


def load_parameters(
    parameters: Parameters,
    filename: Filename,
    place: Place | None,
    allow_missing: bool,
    ignore_extra: bool,
    takes_dtype: bool,
) -> None:
    """Fills the parameters, of which none changes if something is wrong."""
    arrays = renamed(load(filename, "load_parameters"), parameters)
    check_names(str(filename), arrays, parameters, allow_missing, ignore_extra)
    try:
        fill = filling(arrays, parameters, place, takes_dtype)
    except ShapeError as error:
        raise ShapeError(f"{filename} does not fit the network: {error}") from None
    fill()


def filling(
    arrays: Arrays, parameters: Parameters, place: Place | None = None, takes_dtype: bool = False
) -> Callable[[], None]:
    """What gives parameters their values; all are checked first."""
    values: dict[Parameter, Memory] = {}
    for name, parameter in parameters.items():
        if name not in arrays:
            continue
        array = arrays[name]
        parameter.check_shape(array.shape)
        dtype = dtype_name(array.dtype if takes_dtype else parameter.dtype)
        values[parameter] = numeric(array, dtype)
        if parameter.initialized:
            parameter.variable.check_in_place()

    def fill() -> None:
        for parameter, array in values.items():
            if takes_dtype:
                parameter.cast(array.dtype)
            if place is not None:
                parameter.reset_ctx(place)
            parameter.set_data(array)

    return fill


def check_names(
    filename: str,
    arrays: Arrays,
    parameters: Parameters,
    allow_missing: bool,
    ignore_extra: bool,
) -> None:
    """Raises unless file and network have the same names; one name of a shared parameter does."""
    found = {parameters[name] for name in parameters.keys() & arrays.keys()}
    missing = [name for name, p in parameters.items() if p not in found]
    extra = arrays.keys() - parameters.keys()
    if (missing and not allow_missing) or (extra and not ignore_extra):
        raise OptionError(
            f"{filename} does not fit the network: it lacks {some(missing)}, "
            f"and has {some(extra)} that the network lacks"
        )


def some(names: Iterable[str]) -> str:
    """The first names of many."""
    first, rest = sorted(names)[:5], sorted(names)[5:]
    return f"{first or 'nothing'}" + f" and {len(rest)} more" * bool(rest)


def each_once(parameters: Parameters) -> dict[str, Parameter]:
    """The parameters under the first of their names."""
    names: dict[Parameter, str] = {}
    for name, parameter in parameters.items():
        names.setdefault(parameter, name)
    return {name: parameter for parameter, name in names.items()}


def renamed(arrays: Arrays, parameters: Parameters) -> Arrays:
    """The arrays by their parameters' names, which files of MXNet may have to be asked for."""
    plain = {own_name(name): array for name, array in arrays.items()}
    if not plain or plain.keys() & parameters.keys() or any("." in name for name in plain):
        return plain
    return by_order(plain, parameters) or plain


GATES = re.compile(r"(?P<block>|.*\.)(?P<way>[lr])(?P<layer>\d)_(?P<rest>(i2h|h2h)_(weight|bias))")
"""A parameter of a recurrent layer, such as `0.l1_i2h_weight`."""
UNFUSED = re.compile(
    r"(?P<block>|.*\.)_unfused\.(?P<layer>\d)\.((?P<way>[lr])_cell\.)?(?P<rest>.*)"
)
"""What MXNet 1.x calls it: `0._unfused.1.i2h_weight`, with two ways `….1.l_cell.i2h_weight`."""


def own_name(name: str) -> str:
    """nnc's name of a parameter that MXNet has written."""
    name = name.removeprefix("arg:").removeprefix("aux:")
    found = UNFUSED.fullmatch(name)
    if found is None:
        return name
    return f"{found['block']}{found['way'] or 'l'}{found['layer']}_{found['rest']}"


def with_mxnet_names(arrays: Arrays) -> Arrays:
    """The arrays by the names that MXNet 1.x looks for."""
    found = {name: GATES.fullmatch(name) for name in arrays}
    both = {gate["block"] for gate in found.values() if gate and gate["way"] == "r"}

    def mxnet_name(name: str) -> str:
        gate = found[name]
        if gate is None:
            return name
        way = f"{gate['way']}_cell." if gate["block"] in both else ""
        return f"{gate['block']}_unfused.{gate['layer']}.{way}{gate['rest']}"

    return {mxnet_name(name): array for name, array in arrays.items()}


def by_order(arrays: Arrays, parameters: Parameters) -> Arrays | None:
    """Arrays such as `net0_dense1_weight` for parameters in order; None where that is unclear.

    The name of a layer in MXNet says which of its class it is in the order of creation, in which
    both files and networks have them.
    """
    own = {name: name.rpartition(".")[2] for name in each_once(parameters)}
    kinds = sorted(set(own.values()), key=len, reverse=True)
    queues: dict[str, list[str]] = defaultdict(list)
    counts: dict[str, int] = {}
    for name in arrays:
        kind = next((k for k in kinds if f"_{name}".endswith(f"_{k}")), None)
        if kind is None or not counts_up(name.removesuffix(kind), kind, counts):
            return None
        queues[kind].append(name)
    if any(len(queues[kind]) != list(own.values()).count(kind) for kind in kinds):
        return None
    return {name: arrays[queues[kind].pop(0)] for name, kind in own.items()}


def counts_up(layer: str, kind: str, counts: dict[str, int]) -> bool:
    """Whether the layer comes after those of its class that were seen."""
    found = re.fullmatch(r"(.*?)(\d+)_", layer)
    if found is None:
        return True
    seen, number = f"{found[1]} {kind}", int(found[2])
    follows = number > counts.get(seen, -1)
    counts[seen] = number
    return follows
