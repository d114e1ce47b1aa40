// Convolutions with halos, batch normalization whose running mean is a tied result, a dense layer.
func.func @main(%x: tensor<2x2x6x6xf32> {nnc.name = "x"}, %label: tensor<2xi32> {nnc.name = "label"},
                %k: tensor<3x2x3x3xf32> {nnc.name = "conv0", nnc.role = "parameter"},
                %l: tensor<4x3x3x3xf32> {nnc.name = "conv1", nnc.role = "parameter"},
                %gamma: tensor<3xf32> {nnc.name = "gamma", nnc.role = "parameter"},
                %beta: tensor<3xf32> {nnc.name = "beta", nnc.role = "parameter"},
                %w: tensor<5x36xf32> {nnc.name = "dense", nnc.role = "parameter"},
                %running: tensor<3xf32> {nnc.name = "running", nnc.role = "state"})
    -> (tensor<2xf32>, tensor<3xf32>) attributes {nnc.outputs = ["loss"], nnc.tied = array<i64: -1, 7>} {
  %a = nn.conv %x, %k {strides = [1, 1], low = [1, 1], high = [1, 1], dilations = [1, 1], groups = 1} : (tensor<2x2x6x6xf32>, tensor<3x2x3x3xf32>) -> tensor<2x3x6x6xf32>
  %n, %mean, %variance = nn.batch_norm %a, %gamma, %beta {epsilon = 1.0e-5} : (tensor<2x3x6x6xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<2x3x6x6xf32>, tensor<3xf32>, tensor<3xf32>)
  %next = nn.add %running, %mean : tensor<3xf32>
  %r = nn.relu %n : tensor<2x3x6x6xf32>
  %c = nn.conv %r, %l {strides = [2, 2], low = [1, 1], high = [1, 1], dilations = [1, 1], groups = 1} : (tensor<2x3x6x6xf32>, tensor<4x3x3x3xf32>) -> tensor<2x4x3x3xf32>
  %f = nn.reshape %c : tensor<2x4x3x3xf32> -> tensor<2x36xf32>
  %y = nn.matmul %f, %w {transpose_rhs} : (tensor<2x36xf32>, tensor<5x36xf32>) -> tensor<2x5xf32>
  %loss, %p = nn.cross_entropy %y, %label : (tensor<2x5xf32>, tensor<2xi32>) -> (tensor<2xf32>, tensor<2x5xf32>)
  func.return %loss, %next : tensor<2xf32>, tensor<3xf32>
}
