"""Networks by name, as in MXNet's model zoo, without trained weights."""

from nnc.gluon.model_zoo import vision
from nnc.gluon.model_zoo.vision import get_model

__all__ = ["get_model", "vision"]
