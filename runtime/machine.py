"""What this machine is: its CPUs and the best target they can run."""

import os
import re
from functools import cache
from pathlib import Path

from nnc.dialects.target import TARGETS, Target, target_named
from nnc.runtime.errors import TargetError


def cpu_count() -> int:
    """CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def cpu_features() -> frozenset[str]:
    """The CPU's flags as the kernel names them; empty where there is no /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def detect_target() -> Target:
    """The target NNC_TARGET names, or else the first C target whose features the CPU has."""
    if name := os.environ.get("NNC_TARGET"):
        try:
            return target_named(name)
        except ValueError as error:
            raise TargetError(f"NNC_TARGET: {error}") from None
    features = cpu_features()
    return next(t for t in TARGETS.values() if t.language == "c" and t.cpu_features <= features)
