"""Statistics of what is inside of a network while it trains, as MXNet's `Monitor`."""

import logging
import re
from collections.abc import Callable
from typing import Any

from nnc.arrays.array import NDArray
from nnc.checks import count, function
from nnc.errors import OptionError
from nnc.gluon.block import Block
from nnc.gluon.parameter import Parameter
from nnc.recording.recorder import recorder
from nnc.recording.tracing import arrays_of

Statistic = Callable[[NDArray], Any]
Entry = tuple[int, str, str]
"""Step, name and statistic."""


def root_mean_square(x: NDArray) -> NDArray:
    """`sqrt(mean(x^2))`, which MXNet writes `norm(x) / sqrt(x.size)`."""
    return (x.astype("float32") ** 2).mean() ** 0.5


class Monitor:
    """Between `tic` and `toc`, in one of `interval` steps, what blocks give and parameters are.

    Names are places in the tree, as of `collect_params`: `0_output`, `0.weight`, `0.weight_grad`,
    with `monitor_all` also `0_input`; several arrays are numbered. Only those that begin like
    the regular expression `pattern` are looked at. `stat_func` makes an array or a list of arrays
    of each; it is computed with the step, in one program.

    A step of `nnc.compile_step` that is looked at goes through Python, as a program of its own,
    whose results may differ in the last bit. What `nnc.compile` makes is never looked at, nor are
    bodies of loops, branches and checkpoints.
    """

    def __init__(
        self,
        interval: int,
        stat_func: Statistic | None = None,
        pattern: str = ".*",
        sort: bool = False,
        monitor_all: bool = False,
    ):
        self.interval = count("Monitor: interval", interval)
        self.stat_func = function("Monitor: stat_func", stat_func or root_mean_square)
        try:
            self.pattern = re.compile(pattern)
        except re.error as error:
            raise OptionError(f"Monitor: {pattern!r} is no regular expression: {error}") from None
        self.sort = sort
        self.monitor_all = monitor_all
        self.activated = False
        self.step = 0
        self.queue: list[tuple[str, Any]] = []
        self.blocks: list[Block] = []
        self.gradients: dict[str, NDArray] = {}

    def install(self, block: Any, monitor_all: bool = False) -> None:
        """Look at this block and all in it."""
        if not isinstance(block, Block):
            raise OptionError(f"Monitor: expected a block, given {block!r:.40}")
        self.blocks.append(block)
        for path, part in block.named_blocks():
            self._watch(part, f"{path}_" if path else "", monitor_all or self.monitor_all)

    def _watch(self, block: Block, prefix: str, inputs: bool) -> None:
        def seen(block: Block, args: Any, result: Any) -> None:
            if self.activated and not recorder.tracing:
                for what, arrays in (("input", args if inputs else ()), ("output", result)):
                    self._look(prefix + what, arrays)

        block.register_forward_hook(seen)

    def _look(self, name: str, arrays: Any) -> None:
        """Keeps the statistics of some arrays."""
        listed = [leaf for leaf in flat(arrays) if isinstance(leaf, NDArray)]
        for i, array in enumerate(listed):
            self._keep(name if len(listed) == 1 else f"{name}{i}", array)

    def _keep(self, name: str, array: NDArray) -> None:
        if self.pattern.match(name):
            self.queue.append((name, self.stat_func(array)))

    def _parameters(self) -> dict[str, Parameter]:
        """Those of all blocks that have values."""
        found: dict[str, Parameter] = {}
        for block in self.blocks:
            found |= {name: p for name, p in block.collect_params().items() if p.initialized}
        return found

    def tic(self) -> None:
        """Before a step: looks at it if it is its turn."""
        if self.step % self.interval == 0 and not self.activated:
            self.activated = True
            self.queue = []
            recorder.observed += 1
            self.gradients = {
                f"{name}_grad": gradient_from_now(p)
                for name, p in self._parameters().items()
                if p.grad_req != "null" and self.pattern.match(f"{name}_grad")
            }
        self.step += 1

    def toc(self) -> list[Entry]:
        """After a step: step, name and statistic of all that was looked at, computed now."""
        if not self.activated:
            return []
        self.activated = False
        recorder.observed -= 1
        for name, parameter in self._parameters().items():
            self._keep(name, parameter.data())
        for name, gradient in self.gradients.items():
            self._keep(name, gradient)
        self.gradients = {}
        queue = sorted(self.queue, key=lambda entry: entry[0]) if self.sort else self.queue
        self.queue = []
        return [(self.step, name, shown(statistic)) for name, statistic in queue]

    def toc_print(self) -> None:
        """`toc`, to the log."""
        for step, name, statistic in self.toc():
            logging.info("Batch: %7d %30s %s", step, name, statistic)


def gradient_from_now(parameter: Parameter) -> NDArray:
    """The array that shows the next gradient; the last may have gone into an update."""
    slot = parameter.variable.slot
    if slot is not None and slot.lost:
        parameter.zero_grad()
    return parameter.grad()


def flat(tree: Any) -> list[Any]:
    """The leaves of lists and tuples."""
    listed = isinstance(tree, list | tuple)
    return [leaf for part in tree for leaf in flat(part)] if listed else [tree]


def shown(statistic: Any) -> str:
    """Numbers as numbers, other arrays as numpy prints them."""
    arrays = arrays_of("Monitor: stat_func", statistic)
    return "\t".join(str(a.item() if a.size == 1 else a.asnumpy()) for a in arrays)
