"""Where MXNet 1.x has more of `nnc.gluon.nn`."""

import sys

from nnc.gluon import nn

sys.modules[__name__] = nn
