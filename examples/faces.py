"""Tell faces from what is none: a small convolutional network that sees each image anew each time.

    python examples/faces.py

200 grey images of 25 x 25, half of them faces of the collection LFW, come with scikit-image
(`pip install nnc[examples]`). 160 train it, mirrored, moved, and brightened at random by
`gluon.data.vision.transforms`; prints the share of the other 40 that it tells right. Bytes go into
the step: `ToTensor` and `Normalize` are part of the network, compiled with it.
"""

import argparse
from typing import Any

import numpy as np
from skimage.data import lfw_subset

import nnc
from nnc import gluon, nd
from nnc.gluon import nn
from nnc.gluon.data.vision import transforms

Array = np.ndarray[Any, np.dtype[Any]]
BATCH = 32


def faces() -> tuple[Array, Array]:
    """Images (200, 25, 25, 1) of bytes, and 1 for a face."""
    images = np.rint(lfw_subset() * 255).astype(np.uint8)[..., None]
    return images, np.repeat([1, 0], 100).astype(np.int32)


def network() -> nn.HybridSequential:
    """From bytes to the scores of two classes."""
    net = nn.HybridSequential(
        transforms.HybridCompose([transforms.ToTensor(), transforms.Normalize(0.5, 0.25)]),
        nn.Conv2D(16, 3, activation="relu"),
        nn.MaxPool2D(2),
        nn.Conv2D(32, 3, activation="relu"),
        nn.MaxPool2D(2),
        nn.Dense(64, activation="relu"),
        nn.Dropout(0.5),
        nn.Dense(2),
    )
    net.initialize(nnc.init.Xavier())
    return net


def main(epochs: int = 30) -> float:
    """Trains, and returns the share of unseen images that are told right."""
    nnc.random.seed(0)
    images, labels = faces()
    tested = np.arange(len(images)) % 5 == 0
    augment = transforms.Compose(
        [
            transforms.RandomFlipLeftRight(),
            transforms.RandomCrop(25, pad=2),
            transforms.RandomColorJitter(brightness=0.3, contrast=0.3),
        ]
    )
    dataset = gluon.data.ArrayDataset(images[~tested], labels[~tested]).transform_first(augment)
    loader = gluon.data.DataLoader(dataset, BATCH, shuffle=True)
    net = network()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-3})
    step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
    for epoch in range(epochs):
        losses = [float(step(data, label).mean()) for data, label in loader]
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}")
    right = net(nd.array(images[tested])).argmax(1).asnumpy() == labels[tested]
    print(f"right on {right.mean():.1%} of {tested.sum()} images that it has not seen")
    return float(right.mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=30)
    main(parser.parse_args().epochs)
