"""What code generation says when a module cannot be printed."""

from xdsl.ir import Operation


class CodegenError(ValueError):
    """A module that is not ready to be printed, or asks for what the target cannot do."""

    @staticmethod
    def at(op: Operation, message: str) -> "CodegenError":
        return CodegenError(f"{op.name}: {message}\n    in: {op!s}")
