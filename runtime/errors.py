"""Errors that users of a compiled program see."""


class NncError(Exception):
    """Base of every error the compiler and its runtime raise for people."""


class CompilerNotFoundError(NncError):
    """There is no C compiler, or the one asked for cannot be run."""


class CompileError(NncError):
    """A compiler or linker rejected generated text; `log` is everything it printed."""

    def __init__(self, message: str, log: str = ""):
        super().__init__(message)
        self.log = log


class CacheError(NncError):
    """Compiled code can be written neither to the cache nor to a temporary folder."""


class TargetError(NncError):
    """An environment variable or the machine asks for something the runtime does not have."""


class BindError(NncError):
    """An argument is unknown, missing, of the wrong role, or cannot be used in place."""


class ShapeError(BindError, ValueError):
    """An array has another shape than the program was compiled for."""


class DtypeError(BindError, TypeError):
    """An array has another dtype than the program was compiled for."""


class NanError(NncError, ArithmeticError):
    """The NaN check found a NaN; parameters and state are as they were before the call."""


class ProgramError(NncError):
    """The entry of a program returned a code other than 0."""


class DeviceError(NncError):
    """A package, driver or device that a GPU program needs is missing or failed."""
