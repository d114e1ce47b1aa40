// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.max_pool: a window lies in the padding alone; kernel 2, padding 2, 0
func.func @before(%x: tensor<1x1x4x4xf32>) {
  %y, %w = nn.max_pool %x {kernel = [2, 2], strides = [2, 2], low = [2, 0], high = [0, 0]} : (tensor<1x1x4x4xf32>) -> (tensor<1x1x3x2xf32>, tensor<1x1x3x2xi32>)
  func.return
}

// -----

// CHECK: nn.avg_pool: a window lies in the padding alone; kernel 2, padding 0, 2
func.func @after(%x: tensor<1x1x4x4xf32>) {
  %y = nn.avg_pool %x {kernel = [2, 2], strides = [2, 2], low = [0, 0], high = [0, 2]} : (tensor<1x1x4x4xf32>) -> tensor<1x1x2x3xf32>
  func.return
}

// -----

// CHECK: nn.max_pool: the result is (tensor<1x1x2x2xf32>, tensor<1x1x2x2xi64>), expected (tensor<1x1x2x2xf32>, tensor<1x1x2x2xi32>)
func.func @indices(%x: tensor<1x1x4x4xf32>) {
  %y, %w = nn.max_pool %x {kernel = [2, 2], strides = [2, 2], low = [0, 0], high = [0, 0]} : (tensor<1x1x4x4xf32>) -> (tensor<1x1x2x2xf32>, tensor<1x1x2x2xi64>)
  func.return
}

// -----

// CHECK: nn.avg_pool_grad: the cotangent is (1, 1, 2, 2), expected (1, 1, 2, 3)
func.func @cotangent(%g: tensor<1x1x2x2xf32>) {
  %x = nn.avg_pool_grad %g {size = [4, 6], kernel = [2, 2], strides = [2, 2], low = [0, 0], high = [0, 0]} : (tensor<1x1x2x2xf32>) -> tensor<1x1x4x6xf32>
  func.return
}

// -----

// CHECK: nn.max_pool: a channel of tensor<1x1x65536x32769xf32> has 2147549184 positions, which are i32
func.func @f(%x: tensor<1x1x65536x32769xf32>) {
  %y, %at = nn.max_pool %x {kernel = [1, 1], strides = [1, 1], low = [0, 0], high = [0, 0]} : (tensor<1x1x65536x32769xf32>) -> (tensor<1x1x65536x32769xf32>, tensor<1x1x65536x32769xi32>)
  func.return
}
