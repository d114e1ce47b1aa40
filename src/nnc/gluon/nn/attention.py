"""Attention between sequences."""

from nnc import nd
from nnc.arrays.array import NDArray
from nnc.checks import count, number
from nnc.errors import OptionError, ShapeError
from nnc.gluon.block import HybridBlock
from nnc.gluon.nn.basic import Dense, Dropout, Source


class MultiHeadAttention(HybridBlock):
    """Every position takes from others what its query finds, in `num_heads` subspaces at once.

    Sequences are `(N, length, units)`. Key and value are the query unless given (self-attention),
    the value is the key unless given: `layer(x)`, `layer(x, memory)`, `layer(x, None, None, mask)`.
    `causal` hides later positions; `mask` is that of `nnc.nd.attention`, broadcast to
    `(N, num_heads, queries, keys)`. Dropout is on the result, not on the probabilities, which are
    never in memory.
    """

    def __init__(
        self,
        units: int,
        num_heads: int,
        dropout: float = 0.0,
        causal: bool = False,
        use_bias: bool = True,
        weight_initializer: Source = None,
        bias_initializer: Source = "zeros",
    ):
        super().__init__()
        self._units = count("MultiHeadAttention: units", units)
        self._heads = count("MultiHeadAttention: num_heads", num_heads)
        if units % num_heads:
            raise OptionError(
                f"MultiHeadAttention: {units} units cannot be divided among {num_heads} heads"
            )
        rate = number("MultiHeadAttention: dropout", dropout, least=0, below=1)
        self._causal = bool(causal)

        def projection() -> Dense:
            return Dense(
                units, None, use_bias, False, "float32", weight_initializer, bias_initializer
            )

        self.query, self.key = projection(), projection()
        self.value, self.output = projection(), projection()
        self.dropout = Dropout(rate)

    def forward(
        self,
        query: NDArray,
        key: NDArray | None = None,
        value: NDArray | None = None,
        mask: NDArray | None = None,
    ) -> NDArray:
        key = query if key is None else key
        value = key if value is None else value
        for x in (query, key, value):
            if len(x.shape) != 3:
                raise ShapeError(
                    f"MultiHeadAttention: expected sequences (N, length, units), given shape "
                    f"{x.shape}"
                )
        heads = [self.split(x) for x in (self.query(query), self.key(key), self.value(value))]
        attended = nd.attention(heads[0], heads[1], heads[2], mask, self._causal)
        joined = attended.transpose(0, 2, 1, 3).reshape(*query.shape[:2], self._units)
        return self.dropout(self.output(joined))

    def split(self, x: NDArray) -> NDArray:
        """`(N, length, units)` as `(N, heads, length, units / heads)`."""
        size = self._units // self._heads
        return x.reshape(*x.shape[:2], self._heads, size).transpose(0, 2, 1, 3)

    def describe(self) -> str:
        return f"{self._units}, heads={self._heads}"
