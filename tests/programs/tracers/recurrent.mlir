// A recurrent network: nn.scan over a sequence, its last state and all of them read.
func.func @main(%xs: tensor<5x3x4xf32> {nnc.name = "xs"}, %h0: tensor<3x6xf32> {nnc.name = "h0"},
                %w: tensor<6x4xf32> {nnc.name = "i2h", nnc.role = "parameter"},
                %u: tensor<6x6xf32> {nnc.name = "h2h", nnc.role = "parameter"}) -> tensor<3xf32>
    attributes {nnc.outputs = ["loss"]} {
  %last, %hs = nn.scan 5 carry (%h = %h0 : tensor<3x6xf32>) slices (%x = %xs : tensor<5x3x4xf32>) captures (%wi = %w : tensor<6x4xf32>, %wh = %u : tensor<6x6xf32>) {
    %a = nn.matmul %x, %wi {transpose_rhs} : (tensor<3x4xf32>, tensor<6x4xf32>) -> tensor<3x6xf32>
    %b = nn.matmul %h, %wh {transpose_rhs} : (tensor<3x6xf32>, tensor<6x6xf32>) -> tensor<3x6xf32>
    %s = nn.add %a, %b : tensor<3x6xf32>
    %n = nn.tanh %s : tensor<3x6xf32>
    nn.yield %n, %n : tensor<3x6xf32>, tensor<3x6xf32>
  }
  %sum = nn.reduce sum %hs {axes = [0]} : tensor<5x3x6xf32> -> tensor<3x6xf32>
  %both = nn.mul %sum, %last : tensor<3x6xf32>
  %loss = nn.reduce sum %both {axes = [1]} : tensor<3x6xf32> -> tensor<3xf32>
  func.return %loss : tensor<3xf32>
}
