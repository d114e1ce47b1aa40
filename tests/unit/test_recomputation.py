"""What is computed again leaves nothing behind."""

from xdsl.context import Context
from xdsl.dialects.builtin import Builtin
from xdsl.dialects.func import Func
from xdsl.parser import Parser

from nnc.dialects.kernel import Kernel
from nnc.dialects.nn.dialect import NN
from nnc.lowering.program import Program
from nnc.lowering.recomputation import recompute

MODULE = """
func.func @main(%w: tensor<64x4xf32>) -> tensor<64x4xf32> {
  %y, %s = kernel.group(%w) : (tensor<64x4xf32>) -> (tensor<64x4xf32>, tensor<64xf32>) {
  ^bb0(%a: tensor<64x4xf32>):
    %b = nn.exp %a : tensor<64x4xf32>
    %c = nn.reduce sum %b {axes = [1]} : tensor<64x4xf32> -> tensor<64xf32>
    kernel.return %b, %c : tensor<64x4xf32>, tensor<64xf32>
  }
  %z = kernel.group(%y) : (tensor<64x4xf32>) -> tensor<64x4xf32> {
  ^bb0(%a: tensor<64x4xf32>):
    %b = nn.cumsum %a {axis = 0} : tensor<64x4xf32>
    kernel.return %b : tensor<64x4xf32>
  }
  %q = kernel.group(%z, %y, %s)
      : (tensor<64x4xf32>, tensor<64x4xf32>, tensor<64xf32>) -> tensor<64x4xf32> {
  ^bb0(%a: tensor<64x4xf32>, %b: tensor<64x4xf32>, %c: tensor<64xf32>):
    %e = nn.add %a, %b : tensor<64x4xf32>
    kernel.return %e : tensor<64x4xf32>
  }
  func.return %q : tensor<64x4xf32>
}
"""


def test_a_part_that_is_given_up_reads_nothing() -> None:
    """`%y` alone would be pointwise; `%s` is not, so that their kernel runs again as a whole."""
    context = Context()
    for dialect in (Builtin, Func, NN, Kernel):
        context.load_dialect(dialect)
    module = Parser(context, MODULE).parse_module()
    block = Program.of(module).block
    recompute(block, set())
    assert [use.operation.parent for use in block.args[0].uses] == [block] * 2
