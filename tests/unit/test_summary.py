"""`Block.summary` lists what the blocks of a network gave."""

import pytest

from nnc import nd
from nnc.gluon import nn


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    """A block that is called twice is listed twice; its parameters are counted once in all."""
    dense = nn.Dense(4)
    net = nn.HybridSequential(dense, nn.HybridSequential(nn.BatchNorm(), dense))
    net.initialize()
    net.summary(nd.ones((2, 4)))
    assert capsys.readouterr().out.splitlines() == [
        "place    block             output  parameters",
        "         input             (2, 4)",
        "0        Dense             (2, 4)          20",
        "1.0      BatchNorm         (2, 4)          16",
        "0        Dense             (2, 4)          20",
        "1        HybridSequential  (2, 4)           0",
        "         HybridSequential  (2, 4)           0",
        "all                                        36",
        "trained                                    28",
    ]
    assert not any("forward" in vars(block) for block in (net, dense))
