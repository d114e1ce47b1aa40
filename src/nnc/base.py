"""The name that MXNet has for the error that all others are."""

from nnc.errors import NncError as MXNetError

__all__ = ["MXNetError"]
