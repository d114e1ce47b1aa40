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
