"""Errors that users of the frontend see, together with the runtime's."""

from nnc.runtime.errors import (
    BindError,
    CacheError,
    CompileError,
    CompilerNotFoundError,
    DeviceError,
    DtypeError,
    NanError,
    NncError,
    ProgramError,
    ShapeError,
    TargetError,
)

__all__ = [
    "BindError",
    "CacheError",
    "CompileError",
    "CompilerNotFoundError",
    "DeferredInitializationError",
    "DeviceError",
    "DtypeError",
    "GradientError",
    "InPlaceError",
    "IndexingError",
    "LabelError",
    "NanError",
    "NncError",
    "OptionError",
    "ParameterNameError",
    "ProgramError",
    "SampleError",
    "ShapeError",
    "StaleGradientError",
    "StaleValueError",
    "TargetError",
    "TraceError",
    "WorkerError",
]


class ParameterNameError(NncError, KeyError):
    """No parameter has this name."""

    __str__ = Exception.__str__


class OptionError(NncError, ValueError):
    """An option has a name or a value that does not exist."""


class GradientError(NncError, RuntimeError):
    """A gradient was asked for that was not recorded, or twice of one recording."""


class StaleGradientError(GradientError):
    """`step` found a parameter whose gradient no `backward` has computed since the last step."""


class StaleValueError(GradientError):
    """A recorded value was overwritten before it was used."""


class InPlaceError(NncError, RuntimeError):
    """An in-place change of a leaf, or of a recorded value, while recording."""


class IndexingError(NncError, IndexError):
    """An index is outside of the array, or of a kind that arrays do not take."""


class LabelError(IndexingError):
    """A label is not one of the classes."""


class SampleError(NncError, RuntimeError):
    """A sample of a dataset could not be read or transformed."""


class WorkerError(NncError, RuntimeError):
    """A worker of a DataLoader gave no batch."""


class DeferredInitializationError(NncError, RuntimeError):
    """A parameter has no data yet: its shape is unknown, or it was not initialized."""


class TraceError(NncError, RuntimeError):
    """The body of a loop, a branch or a checkpoint asked for a value, or gave one away."""
