"""Blocks in a row."""

from collections.abc import Callable, Iterator
from typing import Any

from nnc.errors import OptionError
from nnc.gluon.block import Block, HybridBlock


class Sequential(Block):
    """Blocks called one after the other."""

    def add(self, *blocks: Block | Callable[..., Any]) -> None:
        for block in blocks:
            if not isinstance(block, Block):
                raise OptionError(
                    f"add: expected blocks, given {block!r:.40}; a list goes with a star, a class "
                    "is called first, a function is wrapped in Lambda"
                )
            self.register_child(block)

    def __init__(
        self,
        *blocks: Block,
    ) -> None:
        super().__init__()
        self.add(*blocks)

    def forward(self, *args: Any) -> Any:
        for block in self._children.values():
            args = (block(*args),)
        return args[0]

    def __getitem__(self, key: int | slice) -> "Block":
        blocks = list(self._children.values())
        return type(self)(*blocks[key]) if isinstance(key, slice) else blocks[key]

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Block]:
        return iter(self._children.values())


class HybridSequential(Sequential, HybridBlock):
    """Blocks called one after the other."""
