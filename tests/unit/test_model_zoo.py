"""The networks of the model zoo: shapes, numbers of parameters, names."""

import math
from typing import Any

import pytest

from nnc import nd
from nnc.errors import OptionError
from nnc.gluon import model_zoo
from nnc.gluon.model_zoo import vision

NETWORKS: list[tuple[str, dict[str, Any], int, int]] = [
    ("resnet18_v1", {}, 224, 11_689_512),
    ("resnet18_v1", {"classes": 10, "thumbnail": True}, 32, 11_173_834),
    ("resnet34_v1", {}, 64, 21_797_672),
    ("resnet50_v1", {}, 64, 25_575_912),
    ("resnet18_v2", {}, 64, 11_687_848),
    ("resnet50_v2", {"classes": 10, "thumbnail": True}, 32, 23_513_162),
    ("vgg11_bn", {"classes": 10}, 32, 28_149_514),
    ("vgg19", {}, 32, 43_003_944),
    ("mobilenetv2_1.0", {}, 224, 3_504_960),
    ("mobilenetv2_0.5", {}, 64, 1_964_736),
]
"""Name, options, size of the images, trained numbers."""


@pytest.mark.parametrize(("name", "options", "size", "expected"), NETWORKS)
def test_networks(name: str, options: dict[str, Any], size: int, expected: int) -> None:
    net = model_zoo.get_model(name, **options)
    net.initialize("zeros")
    assert net(nd.zeros((2, 3, size, size))).shape == (2, options.get("classes", 1000))
    parameters = [p for p in net.collect_params().values() if p.grad_req != "null"]
    assert sum(math.prod(p.shape or ()) for p in parameters) == expected


def test_mistakes() -> None:
    with pytest.raises(OptionError, match="nnc comes without trained weights; build the network"):
        vision.resnet18_v1(pretrained=True)
    with pytest.raises(OptionError, match="get_model: no 'resnet19_v1'; did you mean resnet18_v1"):
        model_zoo.get_model("resnet19_v1")
