// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.reduce: unknown kind 'norm', expected one of sum, mean, prod, max, min
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.reduce norm %x {axes = [0]} : tensor<4x6xf32> -> tensor<6xf32>
  func.return
}

// -----

// CHECK: nn.reduce: axis 2 is not an axis of a tensor of rank 2
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.reduce sum %x {axes = [2]} : tensor<4x6xf32> -> tensor<4x6xf32>
  func.return
}

// -----

// CHECK: nn.reduce: axes = [0, 0] names an axis twice
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.reduce sum %x {axes = [0, 0]} : tensor<4x6xf32> -> tensor<6xf32>
  func.return
}

// -----

// CHECK: nn.reduce mean: expected floating-point elements, given tensor<4xi32>
func.func @main(%x: tensor<4xi32>) {
  %0 = nn.reduce mean %x {axes = [0]} : tensor<4xi32> -> tensor<i32>
  func.return
}

// -----

// CHECK: nn.reduce: the result is (tensor<4xf32>), expected (tensor<6xf32>)
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.reduce sum %x {axes = [0]} : tensor<4x6xf32> -> tensor<4xf32>
  func.return
}

// -----

// CHECK: nn.broadcast: dimensions = [1, 0] must be 2 increasing axes, one for each of tensor<4x6xf32>
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.broadcast %x {dimensions = [1, 0]} : tensor<4x6xf32> -> tensor<6x4xf32>
  func.return
}

// -----

// CHECK: nn.broadcast: a size of 4 cannot become 5, axis 0 of [5, 6]; only 1 can grow
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.broadcast %x {dimensions = [0, 1]} : tensor<4x6xf32> -> tensor<5x6xf32>
  func.return
}

// -----

// CHECK: nn.argmax: axis 1 of tensor<4x0xf32> has no elements
func.func @main(%x: tensor<4x0xf32>) {
  %0 = nn.argmax %x {axis = 1} : tensor<4x0xf32> -> tensor<4xi32>
  func.return
}

// -----

// CHECK: nn.cumsum: axis -1 is not an axis of a tensor of rank 2
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.cumsum %x {axis = -1} : tensor<4x6xf32>
  func.return
}

// -----

// CHECK: nn.argmax: axis 1 of tensor<2x3000000000xui8> has 3000000000 positions, which are i32
func.func @f(%x: tensor<2x3000000000xui8>) {
  %y = nn.argmax %x {axis = 1} : tensor<2x3000000000xui8> -> tensor<2xi32>
  func.return
}
