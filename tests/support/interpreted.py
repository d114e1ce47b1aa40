"""Small programs for the interpreter: a kernel on arrays, or one expression of a few values."""

from typing import Any

import numpy as np
from compiled import parse

from nnc.dialects.interpret import run

Array = np.ndarray[Any, np.dtype[Any]]

NAMES = {
    "float32": "f32",
    "float64": "f64",
    "int32": "i32",
    "int64": "i64",
    "bool": "i1",
    "int8": "i8",
    "uint8": "ui8",
}
"""Element types by numpy dtype."""


def floats(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run_kernel(body: str, *arguments: Array) -> None:
    """Runs a kernel whose arguments %0, %1, … are the arrays."""
    types = [
        "memref<" + "".join(f"{n}x" for n in a.shape) + NAMES[str(a.dtype)] + ">" for a in arguments
    ]
    taken = ", ".join(f"%{i}: {type}" for i, type in enumerate(types))
    passed = ", ".join(f"%{i}" for i in range(len(types)))
    run(
        parse(
            f"kernel.func @k({taken}) {{ {body} kernel.return }}"
            f"func.func @main({taken}) {{"
            f"  kernel.launch @k ins({passed} : {', '.join(types)})"
            "  func.return }"
        ),
        arguments,
    )


def value(expression: str, *operands: Any) -> Any:
    """What a function of scalars or vectors gives: `expression` defines %r from %0, %1, …"""
    types = [
        f"vector<{'x'.join(map(str, o.shape))}x{NAMES[str(o.dtype)]}>"
        if o.shape
        else NAMES[str(o.dtype)]
        for o in operands
    ]
    text, result = expression.rsplit("->", 1)
    taken = ", ".join(f"%{i}: {type}" for i, type in enumerate(types))
    module = parse(f"func.func @main({taken}) -> {result} {{ {text} func.return %r : {result} }}")
    return run(module, operands)[0]
