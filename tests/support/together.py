"""Several programs as one, so that a C compiler starts once for all of them."""

from collections.abc import Sequence

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region

from nnc.lowering.program import Program, Result


def together(modules: Sequence[ModuleOp]) -> ModuleOp:
    """The module whose `main` does what that of each module does; names start with its number."""
    block = Block([ReturnOp()])
    whole = Program(FuncOp("main", ([], []), Region(block)))
    results = [
        r for i, module in enumerate(modules) for r in append(whole, module.clone(), f"{i}.")
    ]
    whole.set_results(results)
    module = ModuleOp([whole.function])
    module.verify()
    return module


def append(whole: Program, module: ModuleOp, prefix: str) -> list[Result]:
    """Moves the ops of a module's program to the end of the whole one; gives its results."""
    part, first = Program.of(module), len(whole.block.args)
    for i, argument in enumerate(part.block.args):
        new = whole.add_argument(argument.type, prefix + part.name(i), part.role(i))
        argument.replace_all_uses_with(new)
    results = [
        Result(r.value, prefix + r.name, None if r.tied is None else first + r.tied)
        for r in part.results()
    ]
    for op in list(part.block.ops)[:-1]:
        op.detach()
        whole.builder().insert(op)
    return results
