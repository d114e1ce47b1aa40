"""Names that MXNet has for what all others are: errors, numbers, texts."""

import numpy as np

from nnc.errors import NncError as MXNetError

__all__ = ["MXNetError", "numeric_types", "string_types"]

numeric_types = (float, int, np.generic)
string_types = (str,)
