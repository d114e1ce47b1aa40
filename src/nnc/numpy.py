"""The name that MXNet has for `nnc.np`, also in `from nnc.numpy.random import normal`."""

import sys

from nnc import linalg, np, np_random

sys.modules[__name__] = np
sys.modules[f"{__name__}.random"] = np_random
sys.modules[f"{__name__}.linalg"] = linalg
