"""Reverse mode over straight-line ops: cotangents of values from those of what they lead to."""

from collections.abc import Mapping, Sequence

from xdsl.builder import Builder
from xdsl.dialects.builtin import AnyFloat
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from nnc.dialects.interfaces import Cotangents, Decomposes, Differentiable
from nnc.dialects.nn.base import element_of, insert
from nnc.dialects.nn.elementwise import AddOp


class NotDifferentiableError(Exception):
    """An op on the way has no gradient."""

    def __init__(self, op: Operation):
        self.op = op
        super().__init__(
            f"{op.name} has no gradient: its class implements neither Differentiable nor Decomposes"
        )


def is_real(value: SSAValue) -> bool:
    """Whether the tensor's elements are floating-point numbers."""
    return isinstance(element_of(value), AnyFloat)


def at(b: Builder, op: Operation) -> Builder:
    """A builder at the same place whose ops take the location of `op`."""

    def locate(new: Operation) -> None:
        new.location = op.location

    return Builder(b.insertion_point, operation_insertion_handler=[locate])


def pull_back(
    b: Builder,
    tape: Sequence[Differentiable],
    seeds: Mapping[SSAValue, SSAValue],
    wrt: Sequence[SSAValue],
) -> Cotangents:
    """The cotangents of `wrt`, given those of values that the tape computes; None where zero."""
    active = {*wrt, *(r for op in tape for r in op.results if is_real(r))}
    adjoints = {value: seed for value, seed in seeds.items() if value in active}
    for op in reversed(tape):
        grads = [adjoints.pop(r, None) for r in op.results]
        if any(g is not None for g in grads):
            _accumulate(at(b, op), op, grads, active, adjoints)
    return [adjoints.get(value) for value in wrt]


def differentiable_ops(ops: Sequence[Operation], wrt: Sequence[SSAValue]) -> list[Differentiable]:
    """The tape: the ops that depend on `wrt` and return numbers with a derivative, in order.

    An op that is not `Differentiable` is replaced by its decomposition.
    """
    active = set(wrt)
    tape: list[Differentiable] = []
    pending = list(reversed(ops))
    while pending:
        op = pending.pop()
        if not any(o in active for o in op.operands) or not any(map(is_real, op.results)):
            continue
        if isinstance(op, Differentiable):
            tape.append(op)
            active.update(filter(is_real, op.results))
        elif isinstance(op, Decomposes):
            pending += reversed(_decompose(op))
        else:
            raise NotDifferentiableError(op)
    return tape


def _decompose(op: Decomposes) -> list[Operation]:
    """Replaces the op by smaller ones, and returns them."""
    inserted: list[Operation] = []
    b = at(Builder(InsertPoint.before(op)), op)
    b.operation_insertion_handler.append(inserted.append)
    Rewriter.replace_op(op, [], op.decompose(b))
    return inserted


def _accumulate(
    b: Builder,
    op: Differentiable,
    grads: Cotangents,
    active: set[SSAValue],
    adjoints: dict[SSAValue, SSAValue],
) -> None:
    """Adds what `op` passes back to the adjoints of its operands."""
    needed = [operand in active for operand in op.operands]
    cotangents = op.vjp(b, grads, needed)
    for operand, need, cotangent in zip(op.operands, needed, cotangents, strict=True):
        if need and cotangent is not None:
            sum = adjoints.get(operand)
            adjoint = cotangent if sum is None else insert(b, AddOp(sum, cotangent))
            if adjoint.name_hint is None and operand.name_hint is not None:
                adjoint.name_hint = f"d_{operand.name_hint}"
            adjoints[operand] = adjoint
