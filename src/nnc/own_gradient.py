"""Functions with a gradient of their own, as `autograd.Function` of MXNet."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.arrays.array import NDArray, arrays_in
from nnc.dialects.nn.with_gradient import WithGradientOp
from nnc.dtypes import FLOATS
from nnc.errors import GradientError, OptionError, ShapeError
from nnc.recording.graph import Operation, Value, next_serial
from nnc.recording.recorder import record, recorder
from nnc.recording.tracing import arrays_of, emit_body, like, nodes_between, trace


def with_gradient(b: Builder, *given: Any) -> list[SSAValue]:
    """Operands are the values, the inputs and what the body captures."""
    *operands, values, inputs, body = given
    last = values + inputs
    op = WithGradientOp(
        operands[:values], operands[values:last], operands[last:], emit_body(b, body)
    )
    return list(b.insert(op).results)


@functools.cache
def operation_named(name: str) -> Operation:
    """The operation under the name of the user's class."""
    return Operation(with_gradient, name)


class Function:
    """`y = function(*inputs)` whose gradient is what `backward` says.

    A subclass defines `forward(self, *inputs)` and `backward(self, *output_grads)`, both on
    arrays: `backward` returns a gradient for each input, or None where there is none. What it
    needs of `forward` it takes from `save_for_backward` and `saved_tensors`, or from attributes.

    `backward` is called once after `forward`, to record what it does: it becomes part of the
    program, and is differentiated itself for gradients of gradients. So both may use all of
    `nnc.nd` and its control flow, but cannot look at numbers.
    """

    _saved: tuple[Any, ...] = ()

    def _no_forward(self, *inputs: Any) -> Any:
        raise OptionError(f"{type(self).__name__} must define forward(self, *inputs)")

    def _no_backward(self, *output_grads: Any) -> Any:
        raise OptionError(f"{type(self).__name__} must define backward(self, *output_grads)")

    forward: Callable[..., Any] = _no_forward
    """What the function computes: an array, or a list of them."""
    backward: Callable[..., Any] = _no_backward
    """The gradient of each input, given those of all outputs."""

    def save_for_backward(self, *args: Any) -> None:
        """Keep arrays for `backward`."""
        self._saved = args

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `forward` saved."""
        if not self._saved:
            raise OptionError(
                f"{type(self).__name__}: nothing was saved; call self.save_for_backward(…) in "
                "forward"
            )
        return self._saved

    def __call__(self, *inputs: NDArray) -> Any:
        name = type(self).__name__
        given = [array.current for array in arrays_in(name, inputs)]
        first = next_serial()
        result = self.forward(*inputs)
        outputs = arrays_of(name, result)
        if not recorder.recording:
            return result
        values = [array.current for array in outputs]
        grads: list[NDArray | None] = []

        def backward(*output_grads: NDArray) -> list[NDArray]:
            grads.extend(self._gradients(output_grads, given))
            return [grad for grad in grads if grad is not None]

        made = trace(f"{name}.backward", backward, [value.type for value in values])
        if made.writes:
            raise OptionError(f"{name}.backward: it must be pure, but it changes variables")
        forget_forward(values, made.captured, first)
        body = made.body([*made.arguments, *made.captured], made.results)
        wrt = [value for value, grad in zip(given, grads, strict=True) if grad is not None]
        recorded = record(
            operation_named(name),
            [*values, *wrt, *made.captured],
            (len(values), len(wrt), body),
        )
        return like(result, map(NDArray, recorded))

    def _gradients(self, grads: Sequence[NDArray], inputs: Sequence[Value]) -> list[NDArray | None]:
        """What `backward` returns, checked against the inputs; integers have no gradient."""
        name = f"{type(self).__name__}.backward"
        returned = self.backward(*grads)
        if returned is None:
            raise GradientError(
                f"{name}: it returned nothing; return a gradient for each input, or None for each "
                "that has none, as in (None,)"
            )
        found = list(returned) if isinstance(returned, tuple | list) else [returned]
        if len(found) != len(inputs):
            raise GradientError(
                f"{name}: expected a gradient, or None, for each of {len(inputs)} inputs, "
                f"given {len(found)}"
            )
        arrays_in(name, [grad for grad in found if grad is not None])
        for i, (grad, value) in enumerate(zip(found, inputs, strict=True)):
            if grad is not None and grad.shape != value.type.shape:
                raise ShapeError(
                    f"{name}: gradient {i} has shape {grad.shape}, its input {value.type.shape}"
                )
        return [
            None if grad is None or value.type.dtype not in FLOATS
            else grad.astype(value.type.dtype, copy=False)
            for grad, value in zip(found, inputs, strict=True)
        ]  # fmt: skip


def forget_forward(values: Sequence[Value], captured: Sequence[Value], first: int) -> None:
    """What `forward` recorded since `first` needs no gradient, unless `backward` reads more of it.

    Then gradients of the gradient go through what it reads.
    """
    nodes, _ = nodes_between(values, first, ())
    made = {value.node for value in captured if value not in values}
    if made.isdisjoint(nodes):
        for node in nodes:
            node.taped = False
