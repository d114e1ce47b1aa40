"""Where arrays are: `cpu()`, `gpu(0)`, and the arguments that name them.

An array knows its device from its `Type`; what operations make is where their operands are.
"""

from collections.abc import Iterable

from nnc.errors import DeviceError, OptionError
from nnc.runtime.device import HOST, Device, Host, Place, entered, open_device
from nnc.runtime.driver import device_count

Context = Host | Device
"""What devices are, as in `isinstance(ctx, nnc.Context)`."""


def cpu(device_id: int = 0) -> Host:
    """The memory of this process; all numbers mean the same."""
    return HOST


cpu_pinned = cpu
"""Memory that GPUs copy from; here it is memory as any other."""


def gpu(device_id: int = 0) -> Device:
    """GPU number `device_id`; an error says which package, driver or device is missing."""
    return open_device(device_id)


def current_context() -> Place:
    """Where arrays are made if nothing is said: the device of the innermost `with`, or the host."""
    return entered() or HOST


def num_gpus() -> int:
    """How many GPUs there are that programs can run on."""
    try:
        return device_count()
    except DeviceError:
        return 0


def in_either_order(dtype: object, ctx: object) -> tuple[object, object]:
    """`dtype` and `ctx`, which MXNet 1.x has the other way round: `nd.zeros(3, mx.cpu())`."""
    return (ctx, dtype) if isinstance(dtype, Host | Device) else (dtype, ctx)


def place_named(what: str, device: object, ctx: object = None) -> Place | None:
    """The device given as `device=` or `ctx=`: a device, a list of it, or None.

    All numbers of CPUs are one device. `what` names the function that takes it.
    """
    if device is not None and ctx is not None:
        raise OptionError(f"{what}: device and ctx are two names of one option; pass one of them")
    given = ctx if device is None else device
    if isinstance(given, list | tuple):
        listed: list[object] = list({id(one): one for one in given}.values())
        if len(listed) != 1:
            raise DeviceError(
                f"{what}: {len(listed)} devices given, {listed}, but a network and its programs "
                "live on one; pass one device, and the whole batch"
            )
        [given] = listed
    if given is None or isinstance(given, Host | Device):
        return given
    raise OptionError(f"{what}: expected a device, nnc.cpu() or nnc.gpu(0), given {given!r}")


def common_place(what: str, places: Iterable[Place | None]) -> Place | None:
    """Where all are that have a place; an error names two that differ."""
    found = list(dict.fromkeys(place for place in places if place is not None))
    if len(found) > 1:
        first, second = found[:2]
        raise DeviceError(
            f"{what}: arrays on {first} and on {second} meet; copy one to the other's device, "
            f"as in x.as_in_context(nnc.{second})"
        )
    return found[0] if found else None
