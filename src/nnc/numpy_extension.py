"""The name that MXNet has for `nnc.npx`."""

import sys

from nnc import npx

sys.modules[__name__] = npx
