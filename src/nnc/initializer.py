"""The name that MXNet has for `nnc.init`."""

import sys

from nnc import init

sys.modules[__name__] = init
