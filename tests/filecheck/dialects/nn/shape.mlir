// RUN: %roundtrip

// CHECK-LABEL: func.func @move
func.func @move(%x: tensor<4x6xf32>, %y: tensor<4x2xf32>) {
  // CHECK-NEXT: %0 = nn.reshape %x : tensor<4x6xf32> -> tensor<2x12xf32>
  %0 = nn.reshape %x : tensor<4x6xf32> -> tensor<2x12xf32>
  // CHECK-NEXT: %1 = nn.transpose %x {permutation = [1, 0]} : tensor<4x6xf32> -> tensor<6x4xf32>
  %1 = nn.transpose %x {permutation = [1, 0]} : tensor<4x6xf32> -> tensor<6x4xf32>
  // CHECK-NEXT: %2 = nn.slice %x {starts = [0, 1], limits = [4, 6], strides = [1, 2]} : tensor<4x6xf32> -> tensor<4x3xf32>
  %2 = nn.slice %x {starts = [0, 1], limits = [4, 6], strides = [1, 2]} : tensor<4x6xf32> -> tensor<4x3xf32>
  // CHECK-NEXT: %3 = nn.pad %x {low = [0, 1], high = [2, 0], value = -1.500000e+00} : tensor<4x6xf32> -> tensor<6x7xf32>
  %3 = nn.pad %x {low = [0, 1], high = [2, 0], value = -1.5} : tensor<4x6xf32> -> tensor<6x7xf32>
  // CHECK-NEXT: %low = nn.pad %x {low = [0, 0], high = [0, 1], value = -inf} : tensor<4x6xf32> -> tensor<4x7xf32>
  %low = nn.pad %x {low = [0, 0], high = [0, 1], value = -inf} : tensor<4x6xf32> -> tensor<4x7xf32>
  // CHECK-NEXT: %4 = nn.concat %x, %y {axis = 1} : (tensor<4x6xf32>, tensor<4x2xf32>) -> tensor<4x8xf32>
  %4 = nn.concat %x, %y {axis = 1} : (tensor<4x6xf32>, tensor<4x2xf32>) -> tensor<4x8xf32>
  // CHECK-NEXT: func.return
  func.return
}

// CHECK-LABEL: func.func @index
func.func @index(%x: tensor<4x6xf32>, %i: tensor<4x3xi32>, %u: tensor<4x3xf32>) {
  // CHECK-NEXT: %0 = nn.iota {axis = 1} : tensor<2x3xi32>
  %0 = nn.iota {axis = 1} : tensor<2x3xi32>
  // CHECK-NEXT: %1 = nn.one_hot %i to f32 {size = 10} : tensor<4x3xi32> -> tensor<4x3x10xf32>
  %1 = nn.one_hot %i to f32 {size = 10} : tensor<4x3xi32> -> tensor<4x3x10xf32>
  // CHECK-NEXT: %2 = nn.gather %x, %i {axis = 1, batch_dims = 1} : (tensor<4x6xf32>, tensor<4x3xi32>) -> tensor<4x3xf32>
  %2 = nn.gather %x, %i {axis = 1, batch_dims = 1} : (tensor<4x6xf32>, tensor<4x3xi32>) -> tensor<4x3xf32>
  // CHECK-NEXT: %3 = nn.scatter_add %u, %i {size = 6, axis = 1, batch_dims = 1} : (tensor<4x3xf32>, tensor<4x3xi32>) -> tensor<4x6xf32>
  %3 = nn.scatter_add %u, %i {size = 6, axis = 1, batch_dims = 1} : (tensor<4x3xf32>, tensor<4x3xi32>) -> tensor<4x6xf32>
  // CHECK-NEXT: func.return
  func.return
}
