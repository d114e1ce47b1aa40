// RUN: %roundtrip

// CHECK-LABEL: func.func @pools
func.func @pools(%x: tensor<2x3x6x6xf32>, %dy: tensor<2x3x3x4xf32>) {
  // CHECK: %y, %where = nn.max_pool %x {kernel = [2, 3], strides = [2, 2], low = [0, 1], high = [0, 2]} : (tensor<2x3x6x6xf32>) -> (tensor<2x3x3x4xf32>, tensor<2x3x3x4xi32>)
  %y, %where = nn.max_pool %x {kernel = [2, 3], strides = [2, 2], low = [0, 1], high = [0, 2]} : (tensor<2x3x6x6xf32>) -> (tensor<2x3x3x4xf32>, tensor<2x3x3x4xi32>)
  // CHECK-NEXT: %z = nn.avg_pool %x {kernel = [2, 3], strides = [2, 2], low = [0, 1], high = [0, 2], count_include_pad} : (tensor<2x3x6x6xf32>) -> tensor<2x3x3x4xf32>
  %z = nn.avg_pool %x {kernel = [2, 3], strides = [2, 2], low = [0, 1], high = [0, 2], count_include_pad} : (tensor<2x3x6x6xf32>) -> tensor<2x3x3x4xf32>
  // CHECK-NEXT: %g = nn.avg_pool_grad %dy {size = [6, 6], kernel = [2, 3], strides = [2, 2], low = [0, 1], high = [0, 2]} : (tensor<2x3x3x4xf32>) -> tensor<2x3x6x6xf32>
  %g = nn.avg_pool_grad %dy {size = [6, 6], kernel = [2, 3], strides = [2, 2], low = [0, 1], high = [0, 2]} : (tensor<2x3x3x4xf32>) -> tensor<2x3x6x6xf32>
  func.return
}

// CHECK-LABEL: func.func @axes
func.func @axes(%x: tensor<2x3x6xf32>, %v: tensor<1x2x4x4x4xf32>) {
  // CHECK: %y, %where = nn.max_pool %x {kernel = [2], strides = [2], low = [0], high = [0]} : (tensor<2x3x6xf32>) -> (tensor<2x3x3xf32>, tensor<2x3x3xi32>)
  %y, %where = nn.max_pool %x {kernel = [2], strides = [2], low = [0], high = [0]} : (tensor<2x3x6xf32>) -> (tensor<2x3x3xf32>, tensor<2x3x3xi32>)
  // CHECK-NEXT: %z = nn.avg_pool %v {kernel = [4, 2, 2], strides = [1, 2, 2], low = [0, 0, 0], high = [0, 0, 0]} : (tensor<1x2x4x4x4xf32>) -> tensor<1x2x1x2x2xf32>
  %z = nn.avg_pool %v {kernel = [4, 2, 2], strides = [1, 2, 2], low = [0, 0, 0], high = [0, 0, 0]} : (tensor<1x2x4x4x4xf32>) -> tensor<1x2x1x2x2xf32>
  func.return
}
