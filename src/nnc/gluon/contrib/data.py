"""Where MXNet 1.x has more of `nnc.gluon.data`."""

import sys

from nnc.gluon import data

sys.modules[__name__] = data
