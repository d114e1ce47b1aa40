"""`nnc-opt --interpret`: runs a module with numpy and prints its results."""

import argparse

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from nnc.tools.programs import Array, evaluate, saved_arguments


def interpret(module: ModuleOp, options: argparse.Namespace) -> str:
    """The results as text; `--outputs` also writes them to a file."""
    given = saved_arguments(options.inputs) if options.inputs else {}
    results = evaluate(module, options.seed, given, options.function)
    if options.outputs:
        np.savez(options.outputs, allow_pickle=False, **results)
    return "".join(f"{name}: {described(value)}\n" for name, value in results.items())


def described(value: Array) -> str:
    """Type and shape, then the entries; numpy shortens long arrays."""
    shape = "x".join(map(str, value.shape)) or "scalar"
    text = np.array2string(value, precision=6, suppress_small=True, prefix="  ")
    return f"{value.dtype} {shape}\n  {text}"
