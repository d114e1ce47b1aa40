"""Layers: one module for each family."""

from nnc.gluon.block import Block, HybridBlock, HybridSequential, Sequential
from nnc.gluon.nn.activation import Activation
from nnc.gluon.nn.basic import Dense, Dropout, Flatten, HybridLambda, Lambda
from nnc.gluon.nn.conv import AvgPool2D, Conv2D, GlobalAvgPool2D, GlobalMaxPool2D, MaxPool2D
from nnc.gluon.nn.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm

__all__ = [
    "Activation",
    "AvgPool2D",
    "BatchNorm",
    "Block",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GroupNorm",
    "HybridBlock",
    "HybridLambda",
    "HybridSequential",
    "InstanceNorm",
    "Lambda",
    "LayerNorm",
    "MaxPool2D",
    "Sequential",
]
