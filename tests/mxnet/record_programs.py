"""Writes `programs.params`: the numbers of MXNet, which runs it; see README.md."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from mxnet_programs import PROGRAMS, run

np.bool = bool  # MXNet 1.9.1 asks for it, NumPy has dropped it.
mx: Any = importlib.import_module("mxnet")


def main() -> None:
    found: dict[str, Any] = {}
    for program in PROGRAMS:
        for name, array in run(mx, program).items():
            found[f"{program.name}/{name}"] = mx.nd.array(array, dtype="float32")
    mx.nd.save(str(Path(__file__).with_name("programs.params")), found)


if __name__ == "__main__":
    main()
