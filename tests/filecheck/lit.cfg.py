"""lit's configuration: `lit tests/filecheck` runs every .mlir file below this folder."""

import importlib.metadata
import os
import shutil
import sys

import lit.formats

from nnc.dialects.target import TARGETS
from nnc.runtime.machine import cpu_features


def has_distribution(name: str) -> bool:
    """Whether the Python distribution `name` is installed."""
    return any(importlib.metadata.distributions(name=name))


config.name = "nnc"
config.test_source_root = os.path.dirname(__file__)
config.suffixes = [".mlir"]
config.test_format = lit.formats.ShTest(execute_external=False)

# lit does not pass the environment on; the tools that stand beside this interpreter come first.
config.environment["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])

# Pretty and generic syntax must both survive: text -> pretty -> generic -> pretty.
config.substitutions.append(
    ("%roundtrip", "nnc-opt %s | nnc-opt --print-op-generic | nnc-opt | filecheck %s")
)

config.available_features |= {
    target.name
    for target in TARGETS.values()
    if target.cpu_features and target.cpu_features <= cpu_features()
}
if has_distribution("nvidia-cuda-nvrtc"):
    config.available_features.add("nvrtc")
mlir_opt = shutil.which("mlir-opt") or shutil.which("mlir-opt-19")
if mlir_opt:
    config.available_features.add("mlir-opt")
    config.substitutions.append(("%mlir-opt", mlir_opt))

config.maxIndividualTestTime = 20
