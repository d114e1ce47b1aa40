"""Where MXNet 1.x has more of `nnc.gluon.rnn`."""

import sys

from nnc.gluon import rnn

sys.modules[__name__] = rnn
