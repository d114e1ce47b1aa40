// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.matmul: the contracted dimensions differ: 4 in lhs tensor<3x4xf32>, 5 in rhs tensor<5x6xf32>
func.func @depths(%x: tensor<3x4xf32>, %y: tensor<5x6xf32>) {
  %z = nn.matmul %x, %y : (tensor<3x4xf32>, tensor<5x6xf32>) -> tensor<3x6xf32>
  func.return
}

// -----

// CHECK: nn.matmul: operands must be matrices, or batches of them with equal leading dimensions, given tensor<2x3x4xf32> and tensor<4x6xf32>
func.func @ranks(%x: tensor<2x3x4xf32>, %y: tensor<4x6xf32>) {
  %z = nn.matmul %x, %y : (tensor<2x3x4xf32>, tensor<4x6xf32>) -> tensor<2x3x6xf32>
  func.return
}

// -----

// CHECK: nn.matmul: operands must have one element type, given f32, f64
func.func @elements(%x: tensor<3x4xf32>, %y: tensor<4x6xf64>) {
  %z = nn.matmul %x, %y : (tensor<3x4xf32>, tensor<4x6xf64>) -> tensor<3x6xf32>
  func.return
}

// -----

// CHECK: nn.matmul: the result is (tensor<3x7xf32>), expected (tensor<3x6xf32>)
func.func @result(%x: tensor<3x4xf32>, %y: tensor<4x6xf32>) {
  %z = nn.matmul %x, %y : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x7xf32>
  func.return
}

// -----

// CHECK: nn.conv: the images have 4 channels, the kernel takes 3 in each of 1 groups
func.func @channels(%x: tensor<1x4x5x5xf32>, %w: tensor<2x3x3x3xf32>) {
  %y = nn.conv %x, %w {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<1x4x5x5xf32>, tensor<2x3x3x3xf32>) -> tensor<1x2x3x3xf32>
  func.return
}

// -----

// CHECK: nn.conv: 3 output channels cannot be divided into 2 groups
func.func @groups(%x: tensor<1x4x5x5xf32>, %w: tensor<3x2x3x3xf32>) {
  %y = nn.conv %x, %w {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 2} : (tensor<1x4x5x5xf32>, tensor<3x2x3x3xf32>) -> tensor<1x3x3x3xf32>
  func.return
}

// -----

// CHECK: nn.conv: along the width, a kernel of 3 (dilation 3) does not fit into 5 padded by 0 and 1
func.func @fit(%x: tensor<1x4x5x5xf32>, %w: tensor<2x4x3x3xf32>) {
  %y = nn.conv %x, %w {strides = [1, 1], low = [0, 0], high = [0, 1], dilations = [1, 3], groups = 1} : (tensor<1x4x5x5xf32>, tensor<2x4x3x3xf32>) -> tensor<1x2x3x1xf32>
  func.return
}

// -----

// CHECK: nn.conv: along the height, kernel 3, stride 0 and dilation 1 must be positive and padding 0, 0 not negative
func.func @stride(%x: tensor<1x4x5x5xf32>, %w: tensor<2x4x3x3xf32>) {
  %y = nn.conv %x, %w {strides = [0, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<1x4x5x5xf32>, tensor<2x4x3x3xf32>) -> tensor<1x2x3x3xf32>
  func.return
}

// -----

// CHECK: nn.conv: strides must be 2 integers, one per spatial axis, given [1]
func.func @one_stride(%x: tensor<1x4x5x5xf32>, %w: tensor<2x4x3x3xf32>) {
  %y = nn.conv %x, %w {strides = [1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<1x4x5x5xf32>, tensor<2x4x3x3xf32>) -> tensor<1x2x3x3xf32>
  func.return
}

// -----

// CHECK: nn.conv: lhs must have 3 to 5 dimensions, of which 1 to 3 are spatial, given shape (4, 5)
func.func @image(%x: tensor<4x5xf32>, %w: tensor<2x4x3x3xf32>) {
  %y = nn.conv %x, %w {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<4x5xf32>, tensor<2x4x3x3xf32>) -> tensor<1x2x3x3xf32>
  func.return
}

// -----

// CHECK: nn.conv: lhs and rhs must have as many dimensions, given (1, 4, 5, 5) and (2, 4, 3)
func.func @axes(%x: tensor<1x4x5x5xf32>, %w: tensor<2x4x3xf32>) {
  %y = nn.conv %x, %w {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<1x4x5x5xf32>, tensor<2x4x3xf32>) -> tensor<1x2x3x3xf32>
  func.return
}

// -----

// CHECK: nn.conv_input_grad: the output's cotangent is (1, 2, 3, 3), expected (1, 2, 4, 3)
func.func @cotangent(%dy: tensor<1x2x3x3xf32>, %w: tensor<2x4x3x3xf32>) {
  %dx = nn.conv_input_grad %dy, %w {size = [6, 5], strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<1x2x3x3xf32>, tensor<2x4x3x3xf32>) -> tensor<1x4x6x5xf32>
  func.return
}

// -----

// CHECK: nn.packed_matmul: expected a matrix and a stack of panels, given tensor<3x4xf32> and tensor<4x8xf32>
func.func @panels(%x: tensor<3x4xf32>, %w: tensor<4x8xf32>) {
  %y = nn.packed_matmul %x, %w {columns = 8} : (tensor<3x4xf32>, tensor<4x8xf32>) -> tensor<3x8xf32>
  func.return
}

// -----

// CHECK: nn.packed_matmul: the contracted dimensions differ: 4 in lhs tensor<3x4xf32>, 5 in rhs tensor<1x5x8xf32>
func.func @packed_depths(%x: tensor<3x4xf32>, %w: tensor<1x5x8xf32>) {
  %y = nn.packed_matmul %x, %w {columns = 8} : (tensor<3x4xf32>, tensor<1x5x8xf32>) -> tensor<3x8xf32>
  func.return
}

// -----

// CHECK: nn.packed_matmul: 8 columns do not fill 2 panels of 8 up to the last
func.func @columns(%x: tensor<3x4xf32>, %w: tensor<2x4x8xf32>) {
  %y = nn.packed_matmul %x, %w {columns = 8} : (tensor<3x4xf32>, tensor<2x4x8xf32>) -> tensor<3x8xf32>
  func.return
}

// -----

// CHECK: nn.matmul: the result is (tensor<3x5xf16>), expected (tensor<3x5xf32>)
func.func @f(%x: tensor<3x4xf16>, %w: tensor<4x5xf16>) {
  %y = nn.matmul %x, %w : (tensor<3x4xf16>, tensor<4x5xf16>) -> tensor<3x5xf16>
  func.return
}
