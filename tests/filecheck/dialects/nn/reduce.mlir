// RUN: %roundtrip

// CHECK-LABEL: func.func @reduce
func.func @reduce(%x: tensor<2x3x4xf32>, %y: tensor<2x1xf32>) {
  // CHECK-NEXT: %0 = nn.reduce sum %x {axes = [1]} : tensor<2x3x4xf32> -> tensor<2x4xf32>
  %0 = nn.reduce sum %x {axes = [1]} : tensor<2x3x4xf32> -> tensor<2x4xf32>
  // CHECK-NEXT: %1 = nn.reduce mean %x {axes = [0, 2]} : tensor<2x3x4xf32> -> tensor<3xf32>
  %1 = nn.reduce mean %x {axes = [0, 2]} : tensor<2x3x4xf32> -> tensor<3xf32>
  // CHECK-NEXT: %2 = nn.reduce prod %x {axes = [0, 1, 2]} : tensor<2x3x4xf32> -> tensor<f32>
  %2 = nn.reduce prod %x {axes = [0, 1, 2]} : tensor<2x3x4xf32> -> tensor<f32>
  // CHECK-NEXT: %3 = nn.reduce max %x {axes = [2]} : tensor<2x3x4xf32> -> tensor<2x3xf32>
  %3 = nn.reduce max %x {axes = [2]} : tensor<2x3x4xf32> -> tensor<2x3xf32>
  // CHECK-NEXT: %4 = nn.reduce min %x {axes = []} : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  %4 = nn.reduce min %x {axes = []} : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  // CHECK-NEXT: %5 = nn.broadcast %y {dimensions = [0, 2]} : tensor<2x1xf32> -> tensor<2x5x3xf32>
  %5 = nn.broadcast %y {dimensions = [0, 2]} : tensor<2x1xf32> -> tensor<2x5x3xf32>
  // CHECK-NEXT: %6 = nn.argmax %x {axis = 1} : tensor<2x3x4xf32> -> tensor<2x4xi32>
  %6 = nn.argmax %x {axis = 1} : tensor<2x3x4xf32> -> tensor<2x4xi32>
  // CHECK-NEXT: %7 = nn.cumsum %x {axis = 1} : tensor<2x3x4xf32>
  %7 = nn.cumsum %x {axis = 1} : tensor<2x3x4xf32>
  // CHECK-NEXT: %8 = nn.cumsum %x {axis = 2, reverse} : tensor<2x3x4xf32>
  %8 = nn.cumsum %x {axis = 2, reverse} : tensor<2x3x4xf32>
  // CHECK-NEXT: func.return
  func.return
}
