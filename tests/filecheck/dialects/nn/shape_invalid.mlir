// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.reshape: tensor<4x6xf32> has 24 elements, the shape [5, 5] has 25
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.reshape %x : tensor<4x6xf32> -> tensor<5x5xf32>
  func.return
}

// -----

// CHECK: nn.transpose: [0, 0] is no permutation of the axes of tensor<4x6xf32>
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.transpose %x {permutation = [0, 0]} : tensor<4x6xf32> -> tensor<4x4xf32>
  func.return
}

// -----

// CHECK: nn.slice: along axis 1, of size 6, expected 0 <= start <= limit <= 6 and a positive stride, given start 1, limit 7, stride 1
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.slice %x {starts = [0, 1], limits = [4, 7], strides = [1, 1]} : tensor<4x6xf32> -> tensor<4x6xf32>
  func.return
}

// -----

// CHECK: nn.slice: starts = [0] must have 2 integers, one for each axis
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.slice %x {starts = [0], limits = [4, 6], strides = [1, 1]} : tensor<4x6xf32> -> tensor<4x6xf32>
  func.return
}

// -----

// CHECK: nn.pad: low = [-1, 0] and high = [0, 0] must not be negative; use nn.slice to cut
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.pad %x {low = [-1, 0], high = [0, 0], value = 0.0} : tensor<4x6xf32> -> tensor<3x6xf32>
  func.return
}

// -----

// CHECK: nn.concat: operands may differ in size along axis 1 only, given tensor<4x6xf32>, tensor<3x6xf32>
func.func @main(%x: tensor<4x6xf32>, %y: tensor<3x6xf32>) {
  %0 = nn.concat %x, %y {axis = 1} : (tensor<4x6xf32>, tensor<3x6xf32>) -> tensor<4x12xf32>
  func.return
}

// -----

// CHECK: nn.concat: axis 2 is not an axis of a tensor of rank 2
func.func @main(%x: tensor<4x6xf32>) {
  %0 = nn.concat %x, %x {axis = 2} : (tensor<4x6xf32>, tensor<4x6xf32>) -> tensor<4x12xf32>
  func.return
}

// -----

// CHECK: nn.iota: axis 2 is not an axis of a tensor of rank 2
func.func @main() {
  %0 = nn.iota {axis = 2} : tensor<2x3xi32>
  func.return
}

// -----

// CHECK: nn.one_hot: indices must be i32 or i64, given tensor<4xf32>
func.func @main(%i: tensor<4xf32>) {
  %0 = nn.one_hot %i to f32 {size = 3} : tensor<4xf32> -> tensor<4x3xf32>
  func.return
}

// -----

// CHECK: nn.gather: indices must be i32 or i64, given tensor<2xf32>
func.func @main(%x: tensor<4x6xf32>, %i: tensor<2xf32>) {
  %0 = nn.gather %x, %i {axis = 0, batch_dims = 0} : (tensor<4x6xf32>, tensor<2xf32>) -> tensor<2x6xf32>
  func.return
}

// -----

// CHECK: nn.gather: expected batch_dims from 0 to the axis, 0, and to the rank of the indices, 1, given 1
func.func @main(%x: tensor<4x6xf32>, %i: tensor<4xi32>) {
  %0 = nn.gather %x, %i {axis = 0, batch_dims = 1} : (tensor<4x6xf32>, tensor<4xi32>) -> tensor<4x6xf32>
  func.return
}

// -----

// CHECK: nn.gather: the first 1 sizes of both operands must be equal, given [4] and [3]
func.func @main(%x: tensor<4x6xf32>, %i: tensor<3xi32>) {
  %0 = nn.gather %x, %i {axis = 1, batch_dims = 1} : (tensor<4x6xf32>, tensor<3xi32>) -> tensor<4xf32>
  func.return
}

// -----

// CHECK: nn.scatter_add: from axis 0 on, the updates must have the sizes [3] of the indices, given tensor<2x6xf32>
func.func @main(%u: tensor<2x6xf32>, %i: tensor<3xi32>) {
  %0 = nn.scatter_add %u, %i {size = 4, axis = 0, batch_dims = 0} : (tensor<2x6xf32>, tensor<3xi32>) -> tensor<4x6xf32>
  func.return
}

// -----

// CHECK: nn.iota: axis 0 has 3000000000 positions
func.func @f() {
  %y = nn.iota {axis = 0} : tensor<3000000000xi32>
  func.return
}

// -----

// CHECK: nn.gather: the axis that indices of i32 count along has 3000000000 positions
func.func @f(%x: tensor<3000000000xf16>, %i: tensor<4xi32>) {
  %y = nn.gather %x, %i {axis = 0, batch_dims = 0} : (tensor<3000000000xf16>, tensor<4xi32>) -> tensor<4xf16>
  func.return
}

// -----

// CHECK: nn.scatter_add: the axis that indices of i32 count along has 3000000000 positions
func.func @f(%x: tensor<4xf32>, %i: tensor<4xi32>) {
  %y = nn.scatter_add %x, %i {size = 3000000000, axis = 0, batch_dims = 0} : (tensor<4xf32>, tensor<4xi32>) -> tensor<3000000000xf32>
  func.return
}

// -----

// CHECK: nn.one_hot: the last axis has 3000000000 positions
func.func @f(%i: tensor<4xi64>) {
  %y = nn.one_hot %i to i1 {size = 3000000000} : tensor<4xi64> -> tensor<4x3000000000xi1>
  func.return
}

// -----

// CHECK: nn.gather: the axis that indices count along has no elements, given tensor<4xi32>
func.func @f(%x: tensor<0x3xf32>, %i: tensor<4xi32>) {
  %y = nn.gather %x, %i {axis = 0, batch_dims = 0} : (tensor<0x3xf32>, tensor<4xi32>) -> tensor<4x3xf32>
  func.return
}

// -----

// CHECK: nn.scatter_add: the axis that indices count along has no elements, given tensor<4xi32>
func.func @f(%x: tensor<4xf32>, %i: tensor<4xi32>) {
  %y = nn.scatter_add %x, %i {size = 0, axis = 0, batch_dims = 0} : (tensor<4xf32>, tensor<4xi32>) -> tensor<0xf32>
  func.return
}
