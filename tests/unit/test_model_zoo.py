"""The networks of the model zoo: shapes, numbers of parameters, names."""

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import pytest

import nnc
from nnc import gluon, nd
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
    ("resnet101_v1", {}, 64, 44_589_800),
    ("resnet152_v2", {}, 64, 60_185_256),
    ("mobilenet1.0", {}, 64, 4_231_976),
    ("mobilenet0.25", {"classes": 10}, 64, 215_642),
    ("mobilenetv2_1.0", {}, 224, 3_504_960),
    ("mobilenetv2_0.5", {}, 64, 1_964_736),
    ("alexnet", {}, 224, 61_100_840),
    ("squeezenet1.0", {}, 224, 1_248_424),
    ("squeezenet1.1", {}, 224, 1_235_496),
    ("densenet121", {}, 224, 7_978_856),
    ("inceptionv3", {}, 299, 23_834_568),
]
"""Name, options, size of the images, trained numbers."""


@pytest.mark.parametrize(("name", "options", "size", "expected"), NETWORKS)
def test_networks(name: str, options: dict[str, Any], size: int, expected: int) -> None:
    net = model_zoo.get_model(name, **options)
    net.initialize("zeros")
    assert net(nd.zeros((2, 3, size, size))).shape == (2, options.get("classes", 1000))
    parameters = [p for p in net.collect_params().values() if p.grad_req != "null"]
    assert sum(math.prod(p.shape or ()) for p in parameters) == expected


COMPUTED: list[tuple[Callable[..., Any], int, list[float]]] = [
    (vision.alexnet, 64, [-0.81146026, -1.58316827, 0.78166121]),
    (vision.squeezenet1_1, 224, [0.00130287, 0.05625995, 0.06839496]),
    (partial(vision.DenseNet, 8, 4, (2, 1)), 64, [1.18347812, 0.61456138, 1.26028061]),
    (vision.mobilenet0_25, 64, [-0.01012427, -0.13903974, 0.11229326]),
    (vision.mobilenet_v2_0_25, 64, [0.31065941, -1.52717888, 4.92394011]),
    (partial(vision.resnet18_v2, thumbnail=True), 32, [2.16986704, 4.0280962, -12.03639126]),
]
"""What makes the network, size of the image, what MXNet 1.9.1 makes of it with the same weights."""


@pytest.mark.parametrize(("make", "size", "expected"), COMPUTED)
def test_networks_compute_what_mxnet_does(
    make: Callable[..., Any], size: int, expected: list[float]
) -> None:
    net = make(classes=3)
    net.initialize()
    image = nd.array(np.random.RandomState(0).rand(1, 3, size, size))
    net(image)
    for number, p in enumerate(net.collect_params().values()):
        if len(p.shape) > 1:
            scale = (2 / np.prod(p.shape[1:])) ** 0.5
            p.set_data(np.random.RandomState(number).normal(0, scale, p.shape))
    np.testing.assert_allclose(
        net(image).asnumpy()[0], expected, atol=1e-5 * max(map(abs, expected))
    )


def test_networks_by_version_size_and_name() -> None:
    """`pretrained`, `ctx` and `root` by place, and `prefix` and `params`, as in MXNet."""
    net = vision.get_resnet(2, 18, False, nnc.cpu(), "models", classes=5, prefix="first_")
    same = vision.resnet18_v2(classes=5, params=net.collect_params())
    assert (net.name, type(same)) == ("first", vision.ResNetV2)
    assert list(same.collect_params().values()) == list(net.collect_params().values())
    assert sum(map(is_norm, vision.get_vgg(16, batch_norm=True).features)) == 13
    assert not any(map(is_norm, vision.get_vgg(16).features))
    assert isinstance(vision.get_mobilenet(0.4, prefix="small_"), vision.MobileNet)
    assert isinstance(vision.get_mobilenet_v2(0.4), vision.MobileNetV2)


def is_norm(layer: object) -> bool:
    return isinstance(layer, gluon.nn.BatchNorm)


MISTAKES: dict[str, Callable[[], object]] = {
    "get_resnet: expected version 1 or 2, and one of 18, 34, 50, 101, 152 layers; given 3 and 18": (
        lambda: vision.get_resnet(3, 18)
    ),
    "get_vgg: expected one of 11, 13, 16, 19 layers, given 12": lambda: vision.get_vgg(12),
    "get_densenet: expected one of 121, 161, 169, 201 layers, given '121'": (
        lambda: vision.get_densenet(cast(Any, "121"))
    ),
    "SqueezeNet: version: no '1.2'; ": lambda: vision.SqueezeNet("1.2"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_sizes_that_there_are_not(message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        MISTAKES[message]()


def test_mistakes() -> None:
    with pytest.raises(OptionError, match="nnc comes without trained weights; build the network"):
        vision.resnet18_v1(pretrained=True)
    with pytest.raises(OptionError, match="get_model: no 'resnet19_v1'; did you mean resnet18_v1"):
        model_zoo.get_model("resnet19_v1")
