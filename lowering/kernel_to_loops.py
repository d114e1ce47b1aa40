"""kernel-to-loops: each kernel's tensor ops become loops over buffers.

In: bufferized kernels with a strategy. Out: `loop`, `buffer`, `tile`, `arith` and `math` only, and
the private micro-kernels they call. An op that no strategy can lower is an error here.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from nnc.dialects import kernel
from nnc.dialects.target import Target, target_named
from nnc.lowering.strategies import attention, contraction, indexed, sweeps


def build(function: kernel.FuncOp, target: Target) -> tuple[Block, list[kernel.FuncOp]]:
    """The loops of one kernel, and its micro-kernels."""
    assert function.strategy is not None
    match function.strategy.algorithm.data:
        case "attention":
            return attention.build(function, target)
        case "contraction":
            return contraction.build(function, target)
        case "indexed":
            return indexed.build(function), []
        case "sweeps":
            return sweeps.build(function), []
        case unknown:
            raise PassFailedException(
                f"kernel-to-loops: kernel @{function.sym_name.data} has the unknown strategy "
                f"'{unknown}', expected attention, contraction, indexed or sweeps"
            )


@dataclass(frozen=True)
class KernelToLoopsPass(ModulePass):
    """Writes every kernel's loops with the builder of its strategy."""

    name = "kernel-to-loops"
    target: str = "avx512"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = target_named(self.target)
        for function in list(op.body.block.ops):
            if isinstance(function, kernel.FuncOp):
                self._write(op.body.block, function, target)

    def _write(self, module: Block, function: kernel.FuncOp, target: Target) -> None:
        """Writes a kernel's loops, and those of the kernels it calls that have a strategy too."""
        if function.strategy is None:
            return
        try:
            block, called = build(function, target)
        except NotImplementedError as error:
            raise PassFailedException(
                f"kernel-to-loops: kernel @{function.sym_name.data}: {error}"
            ) from error
        function.body.detach_block(function.block).erase()
        function.body.add_block(block)
        for inner in called:
            module.insert_op_before(inner, function)
            self._write(module, inner, target)
