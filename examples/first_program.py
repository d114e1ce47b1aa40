"""The program every newcomer to Gluon tries first, corrected.

    python examples/first_program.py

As it is widely published it does not run; the comments say what was changed.
"""

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import nnc
from nnc import autograd, gluon, nd
from nnc.gluon import nn


def main(epochs: int = 10) -> float:
    """Trains, and returns the share of training images that are recognized."""
    nnc.random.seed(0)
    digits: Any = load_digits()
    images, labels = np.float32(digits.data) / 16, np.int32(digits.target)

    # The loss applies softmax itself: the last layer has no softmax activation.
    net = nn.Sequential()
    net.add(nn.Dense(100, activation="relu"), nn.Dense(10))
    net.initialize()  # Once, before the loop: initializing again would keep the weights.

    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    batch_size = 32  # `trainer.step` divides the gradients by it.
    dataset = gluon.data.ArrayDataset(images, labels)
    loader = gluon.data.DataLoader(dataset, batch_size, shuffle=True, last_batch="discard")

    for epoch in range(epochs):
        total = 0.0
        for data, label in loader:
            with autograd.record():  # Not `gluon.block_gradients()`, which never existed.
                loss = loss_of(net(data), label)
            loss.backward()  # Without it, step() says whose gradient is missing.
            trainer.step(batch_size)
            total += float(loss.mean())  # Read after the step, so that a step is one program.
        print(f"epoch {epoch + 1}: loss {total / len(loader):.4f}")

    predicted = net(nd.array(images)).argmax(axis=1)
    accuracy = float((predicted == nd.array(labels)).mean())
    print(f"accuracy {accuracy:.4f}")
    return accuracy


if __name__ == "__main__":
    main()
