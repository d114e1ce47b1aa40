"""Automatic mixed precision, as in MXNet: products in half precision, all else in float32.

    amp.init("bfloat16")

casts what matrix products and convolutions read, in programs made from then on; they are summed in
float32, in which parameters, norms, losses and updates stay. Small gradients vanish in float16, so
there the loss is scaled, and gradients are scaled back in the update:

    amp.init("float16")
    amp.init_trainer(trainer)
    with autograd.record():
        loss = loss_of(net(data), label)
        with amp.scale_loss(loss, trainer) as scaled:
            scaled.backward()
    trainer.step(batch_size)

The scale is a number that the program is given at each step. A step whose gradients overflow
changes no parameter and does not count, and the scale is halved; after 2000 steps without it is
doubled. `compile_step` scales by itself.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from nnc import settings
from nnc.arrays.array import NDArray
from nnc.checks import chosen
from nnc.dtypes import dtype_name
from nnc.errors import OptionError
from nnc.gluon.loss_scaler import LossScaler as LossScaler
from nnc.gluon.trainer import Trainer

TARGETS = ("float16", "bfloat16")


def init(
    target_dtype: Any = "float16",
    target_precision_ops: object = None,
    conditional_fp32_ops: object = None,
    fp32_ops: object = None,
) -> None:
    """Products of half precision from now on. Which operations those are is not to be chosen."""
    if target_precision_ops or conditional_fp32_ops or fp32_ops:
        raise OptionError(
            "amp.init: lists of operations are not supported; products are computed in the target "
            "dtype, all else in float32"
        )
    name = target_dtype if isinstance(target_dtype, str) else dtype_name(target_dtype)
    precision = chosen("amp.init: target_dtype", name, TARGETS)
    settings.configure(precision=precision)


def init_trainer(optimizer_or_trainer: Trainer) -> None:
    """Make the trainer scale losses, and skip steps whose gradients overflow."""
    optimizer_or_trainer.scaler = LossScaler()


@contextmanager
def scale_loss(loss: Any, optimizer_or_trainer: Trainer) -> Generator[Any]:
    """The loss, or each of a list, times the scale; `backward` of it gives scaled gradients."""
    scaled = optimizer_or_trainer.scaled
    if optimizer_or_trainer.scaler is None:
        raise OptionError("amp.scale_loss: call amp.init_trainer(trainer) before the first step")
    yield scaled(loss) if isinstance(loss, NDArray) else [scaled(each) for each in loss]


def unscale(optimizer_or_trainer: Trainer) -> None:
    """Divide the gradients by the scale now, so that they can be looked at or clipped."""
    optimizer_or_trainer.unscale()
