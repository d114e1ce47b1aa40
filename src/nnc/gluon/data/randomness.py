"""Random numbers of samplers and transforms: the same ones whichever worker draws them.

A loader gives each epoch a seed. The order of an epoch, and each of its samples, draws from a
generator of its own, made of that seed and of where the sample stands in the epoch.
"""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from nnc.random import generator

Item = TypeVar("Item")


class Draws:
    """Random numbers of a place in an epoch; the generator exists once somebody draws."""

    def __init__(self, seed: int, *place: int):
        self._key = (seed, place)
        self._generator: np.random.Generator | None = None

    @property
    def generator(self) -> np.random.Generator:
        if self._generator is None:
            # Without the spawn key, (seed, 0) would give what (seed,) gives.
            seed, place = self._key
            sequence = np.random.SeedSequence(seed, spawn_key=place)
            self._generator = np.random.default_rng(sequence)
        return self._generator


class Current(threading.local):
    """What the thread draws from."""

    draws: Draws | None = None


current = Current()


def random_generator() -> np.random.Generator:
    """What transforms draw from: the sample's own generator in a loader, else nnc's.

    A function of your own that uses it is reproducible, whatever the number of workers.
    """
    return generator.numpy if current.draws is None else current.draws.generator


@contextmanager
def drawing(draws: Draws) -> Generator[None]:
    """Random numbers are these."""
    before, current.draws = current.draws, draws
    try:
        yield
    finally:
        current.draws = before


def drawn(draws: Draws, items: Iterator[Item]) -> Iterator[Item]:
    """The items of an iterator, which draws from these."""
    while True:
        with drawing(draws):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
