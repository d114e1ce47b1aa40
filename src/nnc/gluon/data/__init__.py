"""Datasets, samplers and loaders."""

from nnc.gluon.data import batchify, vision
from nnc.gluon.data.dataloader import DataLoader
from nnc.gluon.data.dataset import ArrayDataset, Dataset, SimpleDataset
from nnc.gluon.data.parquet import ParquetDataset
from nnc.gluon.data.randomness import random_generator
from nnc.gluon.data.record import RecordFileDataset
from nnc.gluon.data.sampler import (
    BatchSampler,
    FilterSampler,
    IntervalSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
)
from nnc.gluon.data.shards import ShardedDataset, ShardSampler
from nnc.gluon.data.tar import TarDataset

__all__ = [
    "ArrayDataset",
    "BatchSampler",
    "DataLoader",
    "Dataset",
    "FilterSampler",
    "IntervalSampler",
    "ParquetDataset",
    "RandomSampler",
    "RecordFileDataset",
    "Sampler",
    "SequentialSampler",
    "ShardSampler",
    "ShardedDataset",
    "SimpleDataset",
    "TarDataset",
    "batchify",
    "random_generator",
    "vision",
]
