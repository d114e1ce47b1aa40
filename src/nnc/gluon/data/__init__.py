"""Datasets and loaders."""

from nnc.gluon.data.dataloader import DataLoader
from nnc.gluon.data.dataset import ArrayDataset, Dataset, SimpleDataset
from nnc.gluon.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = [
    "ArrayDataset",
    "BatchSampler",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SimpleDataset",
]
