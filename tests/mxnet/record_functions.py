"""Writes `functions.params`: what MXNet, which runs this, gives for each line; see README.md."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from mxnet_functions import LINES, evaluated, gradient, has_gradient

np.bool = bool  # MXNet 1.9.1 asks for it, NumPy has dropped it.
mx: Any = importlib.import_module("mxnet")


def main() -> None:
    found = {line: mx.nd.array(evaluated(mx, line)) for line in LINES}
    for line in filter(has_gradient, LINES):
        try:
            found[f"gradient of {line}"] = mx.nd.array(gradient(mx, line))
        except mx.base.MXNetError as error:
            print(f"{line}: {str(error).splitlines()[-1]}")
    mx.nd.save(str(Path(__file__).with_name("functions.params")), found)


if __name__ == "__main__":
    main()
