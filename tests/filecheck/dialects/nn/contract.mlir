// RUN: %roundtrip

// CHECK-LABEL: func.func @products
func.func @products(%x: tensor<2x3x4xf32>, %w: tensor<2x5x4xf32>, %v: tensor<2x3x5xf32>) {
  // CHECK: %y = nn.matmul %x, %w {transpose_rhs} : (tensor<2x3x4xf32>, tensor<2x5x4xf32>) -> tensor<2x3x5xf32>
  %y = nn.matmul %x, %w {transpose_rhs} : (tensor<2x3x4xf32>, tensor<2x5x4xf32>) -> tensor<2x3x5xf32>
  // CHECK-NEXT: %dx = nn.matmul %v, %w : (tensor<2x3x5xf32>, tensor<2x5x4xf32>) -> tensor<2x3x4xf32>
  %dx = nn.matmul %v, %w : (tensor<2x3x5xf32>, tensor<2x5x4xf32>) -> tensor<2x3x4xf32>
  // CHECK-NEXT: %dw = nn.matmul %v, %x {transpose_lhs} : (tensor<2x3x5xf32>, tensor<2x3x4xf32>) -> tensor<2x5x4xf32>
  %dw = nn.matmul %v, %x {transpose_lhs} : (tensor<2x3x5xf32>, tensor<2x3x4xf32>) -> tensor<2x5x4xf32>
  func.return
}

// CHECK-LABEL: func.func @packed
func.func @packed(%x: tensor<3x4xf32>, %panels: tensor<2x4x8xf32>) {
  // CHECK: %y = nn.packed_matmul %x, %panels {columns = 10} : (tensor<3x4xf32>, tensor<2x4x8xf32>) -> tensor<3x10xf32>
  %y = nn.packed_matmul %x, %panels {columns = 10} : (tensor<3x4xf32>, tensor<2x4x8xf32>) -> tensor<3x10xf32>
  func.return
}

// CHECK-LABEL: func.func @axes
func.func @axes(%x: tensor<2x4x9xf32>, %w: tensor<4x1x3xf32>, %v: tensor<1x2x4x5x6xf32>, %dy: tensor<1x3x2x3x3xf32>) {
  // CHECK: %y = nn.conv %x, %w {strides = [2], low = [1], high = [0], dilations = [2], groups = 4} : (tensor<2x4x9xf32>, tensor<4x1x3xf32>) -> tensor<2x4x3xf32>
  %y = nn.conv %x, %w {strides = [2], low = [1], high = [0], dilations = [2], groups = 4} : (tensor<2x4x9xf32>, tensor<4x1x3xf32>) -> tensor<2x4x3xf32>
  // CHECK-NEXT: %dw = nn.conv_weight_grad %v, %dy {size = [3, 3, 2], strides = [1, 1, 2], low = [0, 0, 0], high = [0, 0, 0], dilations = [1, 1, 1], groups = 1} : (tensor<1x2x4x5x6xf32>, tensor<1x3x2x3x3xf32>) -> tensor<3x2x3x3x2xf32>
  %dw = nn.conv_weight_grad %v, %dy {size = [3, 3, 2], strides = [1, 1, 2], low = [0, 0, 0], high = [0, 0, 0], dilations = [1, 1, 1], groups = 1} : (tensor<1x2x4x5x6xf32>, tensor<1x3x2x3x3xf32>) -> tensor<3x2x3x3x2xf32>
  func.return
}

// CHECK-LABEL: func.func @convolutions
func.func @convolutions(%x: tensor<2x4x9x8xf32>, %w: tensor<6x2x3x3xf32>, %dy: tensor<2x6x5x6xf32>) {
  // CHECK: %y = nn.conv %x, %w {strides = [2, 1], low = [1, 0], high = [1, 0], dilations = [1, 1], groups = 2} : (tensor<2x4x9x8xf32>, tensor<6x2x3x3xf32>) -> tensor<2x6x5x6xf32>
  %y = nn.conv %x, %w {strides = [2, 1], low = [1, 0], high = [1, 0], dilations = [1, 1], groups = 2} : (tensor<2x4x9x8xf32>, tensor<6x2x3x3xf32>) -> tensor<2x6x5x6xf32>
  // CHECK-NEXT: %dx = nn.conv_input_grad %dy, %w {size = [9, 8], strides = [2, 1], low = [1, 0], high = [1, 0], dilations = [1, 1], groups = 2} : (tensor<2x6x5x6xf32>, tensor<6x2x3x3xf32>) -> tensor<2x4x9x8xf32>
  %dx = nn.conv_input_grad %dy, %w {size = [9, 8], strides = [2, 1], low = [1, 0], high = [1, 0], dilations = [1, 1], groups = 2} : (tensor<2x6x5x6xf32>, tensor<6x2x3x3xf32>) -> tensor<2x4x9x8xf32>
  // CHECK-NEXT: %dw = nn.conv_weight_grad %x, %dy {size = [3, 3], strides = [2, 1], low = [1, 0], high = [1, 0], dilations = [1, 1], groups = 2} : (tensor<2x4x9x8xf32>, tensor<2x6x5x6xf32>) -> tensor<6x2x3x3xf32>
  %dw = nn.conv_weight_grad %x, %dy {size = [3, 3], strides = [2, 1], low = [1, 0], high = [1, 0], dilations = [1, 1], groups = 2} : (tensor<2x4x9x8xf32>, tensor<2x6x5x6xf32>) -> tensor<6x2x3x3xf32>
  func.return
}

// Half precision is summed in f32.
// CHECK-LABEL: func.func @halves
func.func @halves(%x: tensor<3x4xbf16>, %w: tensor<4x5xbf16>) {
  // CHECK: nn.matmul %x, %w : (tensor<3x4xbf16>, tensor<4x5xbf16>) -> tensor<3x5xf32>
  %y = nn.matmul %x, %w : (tensor<3x4xbf16>, tensor<4x5xbf16>) -> tensor<3x5xf32>
  func.return
}
