// Results written side by side into one output, a slice of another, and a state read first.
func.func @main(%x: tensor<4x3xf32> {nnc.name = "x"}, %s: tensor<4x6xf32> {nnc.name = "s", nnc.role = "state"})
    -> (tensor<4x6xf32>, tensor<2x3xf32>, tensor<4x6xf32>) attributes {nnc.outputs = ["y", "z"], nnc.tied = array<i64: -1, -1, 1>} {
  %a = nn.exp %x : tensor<4x3xf32>
  %b = nn.tanh %x : tensor<4x3xf32>
  %y = nn.concat %a, %b {axis = 1} : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<4x6xf32>
  %c = nn.mul %x, %x : tensor<4x3xf32>
  %z = nn.slice %c {starts = [1, 0], limits = [3, 3], strides = [1, 1]} : tensor<4x3xf32> -> tensor<2x3xf32>
  %t = nn.add %s, %y : tensor<4x6xf32>
  func.return %y, %z, %t : tensor<4x6xf32>, tensor<2x3xf32>, tensor<4x6xf32>
}
