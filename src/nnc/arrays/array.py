"""Arrays: handles on values that are computed when somebody looks.

Operations record; `asnumpy`, `item`, `bool` and printing compute. A basic slice or a reshape is a
view: it follows its base and writes through. Everything else is a value of its own.
"""

import functools
import math
import operator
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, SupportsIndex, cast

import numpy as np

from nnc.arrays.arithmetic import Axis
from nnc.arrays.basic_index import basic_items, forward, goes_backward, resolve_shape
from nnc.arrays.methods import Methods
from nnc.arrays.placed import Placed
from nnc.checks import axes_of, axis_of, chosen
from nnc.device import current_context, in_either_order, place_named
from nnc.dtypes import FLOATS, common_dtype, dtype_name, numeric
from nnc.errors import DtypeError, IndexingError, InPlaceError, OptionError, ShapeError
from nnc.operators import core as ops
from nnc.recording.graph import Attributes, Memory, Operation, Scalar, Value, placed, type_of
from nnc.recording.recorder import flush, record, recorder
from nnc.recording.slot import Slot, check_grad_req
from nnc.runtime.arguments import aligned_copy
from nnc.runtime.device import HOST, DeviceArray, Place, Storage

Number = bool | int | float
Operand = Any
"""An array, a number, or what numpy makes an array of."""

NumpyView = Callable[[Memory], Memory]


class View(NamedTuple):
    """How a view is recorded, and how numpy takes it."""

    operation: Operation
    attributes: Attributes
    of: NumpyView


class NDArray(Methods, Placed):
    """An array of a fixed shape and dtype, like numpy's but computed lazily."""

    __slots__ = ("__weakref__", "_base", "_seen", "_value", "_view")
    __array_priority__ = 1000.0

    def __init__(self, value: Value):
        self._value = value
        self._base: NDArray | None = None
        self._view: View | None = None
        self._seen: Value | None = None
        if value.memory is None:
            recorder.handles.append(weakref.ref(self))

    @property
    def current(self) -> Value:
        """The value now; a view whose base has changed looks again."""
        base = self._base
        if base is not None and base.current is not self._seen and self._view is not None:
            self._seen = base.current
            self.show(base.viewed(self._view))
        return self._value

    @property
    def shape(self) -> tuple[int, ...]:
        return self._value.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self._value.type.dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array of rank 0")
        return self.shape[0]

    def __iter__(self) -> Iterator["NDArray"]:
        return (self[i] for i in range(len(self)))

    # Looking computes.

    def memory(self) -> Storage:
        """The array's own memory, computed if need be; not to be written."""
        value = self.current
        if value.memory is None:
            self.show(value)
            flush()
        assert value.memory is not None
        return value.memory

    def host(self) -> Memory:
        return np.asarray(self.memory())

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has memory of its own, and was not recorded."""
        return restored, (self.host(), self._value.type.device or HOST)

    def asnumpy(self) -> Memory:
        """A copy as numpy array."""
        return np.array(self.memory())

    def item(self) -> Number:
        """The only element as a number."""
        if self.size != 1:
            raise ShapeError(f"item: expected an array of one element, given shape {self.shape}")
        return self.host().item()

    asscalar = item

    def tolist(self) -> Any:
        return self.host().tolist()

    def wait_to_read(self) -> None:
        """Compute the array."""
        self.memory()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Memory:
        return np.array(self.memory(), dtype)

    def __dlpack__(self, **options: Any) -> Any:
        return self.host().__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.host().__dlpack_device__()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"an array of shape {self.shape} is neither true nor false: any() or all() of it "
                "is, and options take True or False"
            )
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return operator.index(cast(SupportsIndex, self.item()))

    def __format__(self, spec: str) -> str:
        """A number as Python writes it, `f"{loss:.3f}"`; other arrays as they are printed."""
        return format(self.item() if spec and self.size == 1 else str(self), spec)

    def __repr__(self) -> str:
        where = "" if self.device is HOST else f" @{self.device}"
        return f"{self.host()}\n<NDArray {'x'.join(map(str, self.shape))} {self.dtype}{where}>"

    # Changing in place makes a new version; pending reads keep the one they recorded.

    def show(self, value: Value) -> None:
        """Make this the array's value."""
        self._value = value
        if value.memory is None:
            recorder.handles.append(weakref.ref(self))

    def check_in_place(self) -> None:
        """While recording, what a gradient may need must not change."""
        value = self.current
        if recorder.recording and (value.slot or (value.node is not None and value.node.taped)):
            what = "an array with a gradient" if value.slot else "a recorded value"
            raise InPlaceError(
                f"in-place change of {what} (shape {self.shape}) inside autograd.record(); "
                "make a new array, or change it under autograd.pause()"
            )

    def assign(self, value: Value) -> None:
        """Change the contents to a value nobody else holds."""
        self.check_in_place()
        if self._base is not None:
            self.change(lambda memory: np.copyto(memory, NDArray(value).host()))
            return
        value.slot = self._value.slot
        self.show(value)

    def change(self, write: Callable[[Memory], None]) -> None:
        """Change the contents by writing into a numpy array."""
        self.check_in_place()
        if self._base is not None:
            view = cast(View, self._view)
            self._base.change(lambda memory: write(view.of(memory)))
            return
        memory = aligned_copy(self.host())
        write(memory)
        self.assign(memory_value(self.device.array(memory)))

    def view(self, operation: Operation, attributes: Attributes, of: NumpyView) -> "NDArray":
        """An array that follows this one."""
        view = View(operation, attributes, of)
        made = NDArray(self.viewed(view))
        made._base, made._view, made._seen = self, view, self._value
        return made

    def viewed(self, view: View) -> Value:
        """The value of a view: no program where there is host memory, unless it is recorded."""
        value = self.current
        taped = recorder.recording and (value.slot is not None or value.node is not None)
        wanted = taped or value.replaceable
        if value.memory is None or isinstance(value.memory, DeviceArray) or wanted:
            return record(view.operation, [value], view.attributes)[0]
        memory = view.of(value.memory)
        return memory_value(memory if value.variable is None else np.array(memory))

    def __getitem__(self, key: Any) -> "NDArray":
        if not isinstance(key, int | slice):
            from nnc.arrays.advanced_index import has_arrays, picked

            if has_arrays(key):
                return picked(self, key)
        items = basic_items(key, self.shape)
        if goes_backward(items):
            ahead, turned = forward(items)
            return self[ahead].flip(turned)  # A copy, as in MXNet.
        keys = key if isinstance(key, tuple) else (key,)
        there = keys if Ellipsis in keys else (*keys, ...)  # A view of one element, too.
        return self.view(ops.index, (items,), lambda memory: memory[there])

    def __setitem__(self, key: Any, value: Operand) -> None:
        if key is Ellipsis or (isinstance(key, slice) and key == slice(None)):
            here = value.as_in_context(self.device) if isinstance(value, NDArray) else value
            whole = cast_value(as_value(here, self._value.type.dtype), self._value.type.dtype)
            [new] = record(ops.broadcast_to, [whole], (self.shape,))
            self.assign(placed(new, self.device))
            return
        from nnc.arrays.advanced_index import has_arrays, on_host

        if has_arrays(key):
            key = on_host(key)
        else:
            basic_items(key, self.shape)
        new = value.host() if isinstance(value, NDArray) else numeric(value, self.dtype)
        self.change(lambda memory: set_part(memory, key, new))

    def __iadd__(self, other: Operand) -> "NDArray":
        return self._update(self + other)

    def __isub__(self, other: Operand) -> "NDArray":
        return self._update(self - other)

    def __imul__(self, other: Operand) -> "NDArray":
        return self._update(self * other)

    def __itruediv__(self, other: Operand) -> "NDArray":
        return self._update(self / other)

    def __imod__(self, other: Operand) -> "NDArray":
        return self._update(self % other)

    def _update(self, new: "NDArray") -> "NDArray":
        if not new.current.type.fits(self._value.type):
            raise ShapeError(
                f"in-place change: expected {self._value.type}, given {new.current.type}"
            )
        self.assign(new.current)
        return self

    # Gradients.

    def attach_grad(self, grad_req: str = "write") -> None:
        """Make the array a leaf that `backward` computes a gradient of."""
        if self.dtype.name not in FLOATS:
            raise DtypeError(f"only float arrays have gradients, given dtype {self.dtype}")
        self._value = memory_value(self.memory())
        self._value.slot = Slot(check_grad_req(grad_req)) if grad_req != "null" else None

    @property
    def grad(self) -> "NDArray | None":
        """The gradient, or None without `attach_grad`."""
        return None if self._value.slot is None else gradient_of(self._value)

    def backward(
        self,
        out_grad: "NDArray | None" = None,
        retain_graph: bool = False,
        train_mode: bool = True,
    ) -> None:
        """Compute the gradients of all leaves that led to this array."""
        from nnc import autograd

        autograd.backward([self], None if out_grad is None else [out_grad], retain_graph)

    def detach(self) -> "NDArray":
        """The same values, cut off from the gradient."""
        return NDArray(record(ops.copy, [self.current], taped=False)[0])

    def copy(self) -> "NDArray":
        """A snapshot."""
        return self.apply(ops.copy)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> "NDArray":
        """The first position of the maximum along `axis`, or in the flattened array."""
        found = super().argmax(axis)
        if not keepdims:
            return found
        return found.reshape((1,) * self.ndim) if axis is None else found.expand_dims(axis)

    def take(self, indices: Operand, axis: int = 0, mode: str = "raise") -> "NDArray":
        """The slices at `indices` along `axis`.

        Those that do not exist are an error, or with `mode` the nearest ("clip", MXNet's default)
        or counted around ("wrap").
        """
        along = axis_of("take", axis, self.ndim)
        positions = placed_by(mode, as_indices(indices), self.shape[along]).current
        return NDArray(record(ops.take, [self.current, positions], (along,))[0])

    # How operations are applied.

    def apply(self, operation: Operation, *attributes: Any) -> "NDArray":
        return NDArray(record(operation, [self.current], attributes)[0])

    def combine(
        self, operation: Operation, x: object, y: object, attributes: Attributes = ()
    ) -> "NDArray":
        return NDArray(record(operation, promoted(x, y), attributes)[0])

    def astype(self, dtype: Any, copy: bool = True) -> "NDArray":
        name = dtype_name(dtype)
        return self if name == self._value.type.dtype and not copy else self.apply(ops.cast, name)

    def as_float(self) -> "NDArray":
        return self if self._value.type.dtype in FLOATS else self.astype("float32")

    def reshape(self, *sizes: Any, shape: Any = None, reverse: bool = False) -> "NDArray":
        """A view with the same elements in order; one size may be -1.

        MXNet's codes: 0 keeps a size, -2 all that are left, -3 multiplies two, -4 divides one into
        the two numbers that follow. With `reverse` they count from the last axis.
        """
        one = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
        wanted = one if shape is None else shape
        listed = tuple(wanted) if isinstance(wanted, tuple | list) else (wanted,)
        sizes = resolve_shape(listed, self.shape, reverse)
        return self.view(ops.reshape, (sizes,), lambda memory: memory.reshape(sizes))

    def flatten(self) -> "NDArray":
        """Two axes: the first, and all others."""
        return self.reshape(self.shape[0], -1) if self.ndim else self.reshape(1, 1)

    def expand_dims(self, axis: int) -> "NDArray":
        axis = axis_of("expand_dims", axis, self.ndim + 1)
        return self.reshape(*self.shape[:axis], 1, *self.shape[axis:])

    def squeeze(self, axis: Axis = None) -> "NDArray":
        """Without the given axes of size 1, or without all of them."""
        ones = [i for i, size in enumerate(self.shape) if size == 1]
        dropped = ones if axis is None else axes_of("squeeze", axis, self.ndim)
        if not set(dropped) <= set(ones):
            raise ShapeError(f"squeeze: expected axes of size 1, given {axis} of {self.shape}")
        return self.reshape(tuple(s for i, s in enumerate(self.shape) if i not in dropped))

    @staticmethod
    def on(place: Place, memory: Memory) -> "NDArray":
        return NDArray(memory_value(place.array(memory)))


class GradientArray(NDArray):
    """The gradient of a leaf. What is written into it, an update takes."""

    __slots__ = ("place",)

    def __init__(self, value: Value, place: Slot):
        super().__init__(value)
        self.place = place

    def assign(self, value: Value) -> None:
        super().assign(value)
        self.place.set(value)
        recorder.slots.append(self.place)


def memory_value(memory: Storage) -> Value:
    """A value that is `memory`."""
    place = memory.device if isinstance(memory, DeviceArray) else HOST
    return Value(type_of(memory.shape, name_of(memory.dtype), place), memory)


@functools.cache
def name_of(dtype: np.dtype[Any]) -> str:
    """`dtype.name`, which numpy puts together anew each time: 2 us."""
    return dtype.name


def array(
    source: Operand, dtype: object = None, ctx: object = None, device: object = None
) -> NDArray:
    """An array with a copy of `source`: float64 as float32 unless `dtype` says otherwise.

    Numbers and lists become float32, as in MXNet; other numpy arrays keep their type. It is on
    the device given as `ctx` or `device`, else where `source` is.
    """
    dtype, ctx = in_either_order(dtype, ctx)
    place = place_named("array", device, ctx)
    if isinstance(source, NDArray):
        made = source.copy() if dtype is None else source.astype(dtype)
        return made if place is None else made.as_in_context(place)
    return NDArray.on(place or current_context(), aligned_copy(numeric(source, dtype)))


def restored(data: Memory, device: Place) -> NDArray:
    """An array as it was copied or pickled."""
    return NDArray.on(device, aligned_copy(data))


def set_part(memory: Memory, key: Any, new: Memory) -> None:
    """Write a part of the memory; of `new`, further axes of size 1 in front count for nothing."""
    try:
        rank = memory[key].ndim
        while new.ndim > rank and new.shape[0] == 1:
            new = new[0]
        memory[key] = new
    except IndexError as error:
        raise IndexingError(f"assignment: {error}") from None
    except ValueError:
        expected = memory[key].shape
        raise ShapeError(f"assignment: expected shape {expected}, given {new.shape}") from None


def arrays_in(what: str, given: object) -> list[NDArray]:
    """An array, or a list of arrays, as a list."""
    listed: list[Any] = list(given) if isinstance(given, tuple | list) else [given]
    arrays = [one for one in listed if isinstance(one, NDArray)]
    if len(arrays) != len(listed):
        raise OptionError(f"{what}: expected an array of nnc or a list of them, given {given!r}")
    return arrays


def the_array(what: str, given: object) -> NDArray:
    """An array that is one already."""
    if isinstance(given, NDArray):
        return given
    raise OptionError(f"{what}: expected an array of nnc, given {given!r:.60}")


def as_array(operand: Operand, dtype: object = None) -> NDArray:
    """The operand as an array; what is not one yet goes wherever it is used."""
    if isinstance(operand, NDArray):
        return operand if dtype is None else operand.astype(dtype, copy=False)
    made = array(operand, dtype, HOST)
    made.current.type = type_of(made.shape, made.dtype.name, None)
    return made


def as_indices(operand: Operand) -> NDArray:
    """The operand as int32, from numbers that are looked at as they are given."""
    given = operand
    if isinstance(operand, list | tuple):
        numeric(operand)  # Whatever is no array of numbers is an error.
        given = np.asarray(operand)  # Large integers are no float32.
    return as_array(given).astype("int32", copy=False)


def placed_by(mode: str, indices: NDArray, size: int) -> NDArray:
    """Indices along an axis: as they are, clipped to its positions, or counted around."""
    if chosen("mode", mode, ("raise", "clip", "wrap")) == "raise":
        return indices
    return indices.clip(0, size - 1) if mode == "clip" else indices % size


def as_value(operand: Operand, dtype: str) -> Value:
    """The value of an operand; `dtype` is that of the array it meets, which numbers take."""
    if isinstance(operand, NDArray):
        return operand.current
    if isinstance(operand, int | float):
        integral = isinstance(operand, int) or dtype in FLOATS
        taken = dtype if integral and dtype != "bool" else "float32"
        if taken not in FLOATS:
            numeric(operand, taken)  # An integer out of range is an error here, not when it runs.
        return Scalar(operand, taken)
    return as_array(operand).current


def promoted(x: Operand, y: Operand) -> tuple[Value, Value]:
    """Two operands in one dtype."""
    a = as_value(x, y.dtype.name if isinstance(y, NDArray) else "float32")
    b = as_value(y, a.type.dtype)
    if a.type.dtype == b.type.dtype:
        return a, b
    wider = common_dtype(a.type.dtype, b.type.dtype)
    return cast_value(a, wider), cast_value(b, wider)


def cast_value(value: Value, dtype: str) -> Value:
    return value if value.type.dtype == dtype else record(ops.cast, [value], (dtype,))[0]


def gradient_of(value: Value) -> NDArray:
    """The array that shows the gradient of a leaf, now and after each `backward`."""
    slot: Slot = value.slot
    held = slot.handle() if slot.handle else None
    if held is None:
        held = GradientArray(slot.get(value), slot)
        slot.handle = weakref.ref(held)
    return held
