"""What Gluon 1.x lets every block be made with."""

import inspect
from typing import TYPE_CHECKING, Any


class BlockType(type):
    """The type of blocks: each takes `prefix` and `params`, too, as in Gluon 1.x.

    `prefix` names the block, not its parameters, whose names come from the tree. Parameters that
    `params` has by their places in the block are those: `nn.Dense(8, params=other.params)`, or for
    a network `Net(params=other.collect_params())`. A class whose `__init__` names these arguments
    gets them itself.
    """

    if not TYPE_CHECKING:  # Otherwise classes would have the signature of this method.

        def __call__(cls, *args: Any, **options: Any) -> Any:
            taken = options.keys() & {"prefix", "params"}
            own = cls.__signature__.parameters if taken else {}
            legacy = {name: options.pop(name) for name in taken if name not in own}
            block = super().__call__(*args, **options)
            if legacy.get("prefix"):
                block.prefix = legacy["prefix"]
                block.name = block.prefix.removesuffix("_")
            shared = legacy.get("params")
            if shared is not None:
                places = {name for name, *_ in block._places()}
                block.share_parameters({n: p for n, p in shared.items() if n in places})
            return block

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any):
        super().__init__(name, bases, body)
        if "__signature__" not in vars(cls):
            cls.__signature__ = signature_of(cls)


def signature_of(cls: Any) -> inspect.Signature:
    """That of `__init__`, which `BlockType.__call__` would hide."""
    signature = inspect.signature(cls.__init__)
    return signature.replace(parameters=list(signature.parameters.values())[1:])
