"""The name that MXNet has for `nnc.device`."""

import sys

from nnc import device

sys.modules[__name__] = device
