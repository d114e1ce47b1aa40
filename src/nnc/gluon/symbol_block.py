"""Networks without their Python: what `export` wrote, as a block."""

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.arrays.array import NDArray
from nnc.device import place_named
from nnc.errors import OptionError, ShapeError
from nnc.gluon.atomic import Filename, read_whole
from nnc.gluon.block import HybridBlock
from nnc.gluon.mxnet_symbol import MXNetNetwork, is_symbol
from nnc.gluon.parameter import Parameter
from nnc.gluon.symbol_file import (
    Argument,
    Exported,
    check_types,
    inputs,
    instance_of,
    parsed,
    programs_in,
)
from nnc.lowering.program import Program
from nnc.random import COUNTER, generator
from nnc.recording.graph import Scalar, Value, choosing
from nnc.recording.recorder import record, recorder
from nnc.recording.tracing import arrays_of


class SymbolBlock(HybridBlock):
    """A network that `export` wrote; `SymbolBlock.imports` reads one.

    `outputs` is the text of `NAME-symbol.mlir`, `inputs` has the names of the inputs in the order
    of `forward`, `params` the parameters that are known. It computes what the network computed, to
    the last bit, in training too, and can be trained, nested and exported again. Several results
    are a list.
    """

    def __init__(
        self,
        outputs: str,
        inputs: str | Sequence[str],
        params: Mapping[str, Parameter] | None = None,
    ):
        super().__init__()
        self._inference, self._training = programs_in(outputs)
        self._order = positions(self._inference, inputs)
        for program in {self._inference, self._training}:
            for argument in instance_of(program.first).arguments:
                if (
                    argument.role in ("parameter", "state")
                    and argument.name not in self._parameters
                ):
                    known = (params or {}).get(argument.name)
                    self._parameters[argument.name] = known or parameter_of(argument)

    @staticmethod
    def imports(
        symbol_file: Filename,
        input_names: str | Sequence[str],
        param_file: Filename | None = None,
        device: object = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        ctx: object = None,
    ) -> "SymbolBlock | MXNetNetwork":
        """The network in the files that `export` wrote, its parameters on a device if one is given.

        Inputs are called `data`, or `data0`, `data1`, … where there are several. Without a file of
        parameters they have to be initialized. MXNet's own `NAME-symbol.json` is read as well.
        """
        place, foreign = place_named("SymbolBlock.imports", device, ctx), False
        try:
            text = read_whole("SymbolBlock.imports", symbol_file).decode()
            foreign = is_symbol(text)
            block = (MXNetNetwork if foreign else SymbolBlock)(text, input_names)
        except UnicodeDecodeError:
            raise OptionError(f"{symbol_file} is no text, as export writes it") from None
        except OptionError as error:
            raise OptionError(
                f"{symbol_file} is not a network that {'MXNet' if foreign else 'export'} wrote: "
                f"{error}"
            ) from None
        if param_file is not None:
            block.load_parameters(param_file, place, allow_missing, ignore_extra)
        elif place is not None:
            block.reset_ctx(place)
        return block

    def cast(self, dtype: object) -> None:
        """Not possible: the program is that of one dtype."""
        raise OptionError("SymbolBlock: cast the network before it is exported")

    def forward(self, *args: Any) -> Any:
        given = arrays_of("SymbolBlock", args)
        if len(given) != len(self._order):
            raise ShapeError(f"SymbolBlock: expected {len(self._order)} inputs, given {len(given)}")
        arrays = [given[i] for i in self._order]
        program = self._training if recorder.training else self._inference
        instance = program.of([array.shape for array in arrays])
        rest = iter(arrays)
        values = [
            chosen(next(rest), argument) if argument.role == "input" else self._value(argument)
            for argument in instance.arguments
        ]
        check_types(instance, [value.type for value in values], program.second is not None)
        results = record(instance.operation, values)
        for tie, value in zip(instance.tied, results[instance.outputs :], strict=True):
            self._parameters[instance.arguments[tie].name].variable.update(value)
        outputs = [NDArray(value) for value in results[: instance.outputs]]
        return outputs[0] if len(outputs) == 1 else outputs

    def program_for(self, shapes: Sequence[tuple[int, ...]]) -> Program:
        """What is computed in training of inputs with these shapes."""
        return Program.of(parsed(self._training.text_for([shapes[i] for i in self._order])))

    def _value(self, argument: Argument) -> Value:
        """What the program is given now for an argument that is no input."""
        if argument.random == COUNTER:
            if argument.draws > 1 and recorder.trips > 1:
                raise OptionError(
                    "SymbolBlock: it draws random numbers in a loop, so in training it cannot be "
                    "in a loop itself"
                )
            return generator.counter_number(argument.draws)
        if argument.random:
            return generator.key_number()
        if argument.number is not None:
            return Scalar(argument.number, argument.type.dtype)
        return self._parameters[argument.name].variable.current

    def describe(self) -> str:
        taken = inputs(instance_of(self._inference.first))
        return ", ".join(f"{argument.name}: {argument.type}" for argument in taken)


@choosing("SymbolBlock: labels and indices")
def indices(b: Builder, x: SSAValue, size: int) -> SSAValue:
    """The array itself, whose elements are from 0 to `size` - 1."""
    return x


def chosen(array: NDArray, argument: Argument) -> Value:
    """An input, looked at where it holds labels or indices."""
    value = array.current
    return record(indices, [value], (argument.below,))[0] if argument.below else value


def positions(program: Exported, names: str | Sequence[str]) -> list[int]:
    """For each input of the program, which one of `names` it is."""
    expected = [argument.name for argument in inputs(instance_of(program.first))]
    given = [names] if isinstance(names, str) else list(names)
    if sorted(given) != sorted(expected):
        raise OptionError(f"its inputs are called {expected}, given {given}")
    return [given.index(name) for name in expected]


def parameter_of(argument: Argument) -> Parameter:
    """A parameter as the program wants it."""
    trained = argument.role == "parameter"
    parameter = Parameter(
        argument.name,
        shape=argument.type.shape,
        dtype=argument.type.dtype,
        differentiable=trained,
    )
    parameter.layout = argument.layout
    return parameter
