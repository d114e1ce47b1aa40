// RUN: nnc-opt %s -p kernel-fuse --split-input-file | filecheck %s

// A register tile does not know where it is, so an op that asks for its coordinates stays out of
// a product's kernel; what comes before it stays in.
// CHECK-LABEL: func.func @main
// CHECK:         kernel.group
// CHECK:           nn.matmul
// CHECK-NEXT:      nn.relu
// CHECK-NEXT:      kernel.return
// CHECK:         kernel.group
// CHECK:           nn.dropout
// CHECK-NEXT:      kernel.return
func.func @main(%x: tensor<4x5xf32>, %w: tensor<5x6xf32>, %key: tensor<i32>, %counter: tensor<i32>) -> tensor<4x6xf32> {
  %y = nn.matmul %x, %w : (tensor<4x5xf32>, tensor<5x6xf32>) -> tensor<4x6xf32>
  %r = nn.relu %y : tensor<4x6xf32>
  %d = nn.dropout %r, %key, %counter {rate = 0.5} : tensor<4x6xf32>, tensor<i32>, tensor<i32>
  func.return %d : tensor<4x6xf32>
}

// -----

// Likewise what reads a position that is copied into its kernel: the mask is made beforehand.
// CHECK-LABEL: func.func @main
// CHECK:         kernel.group
// CHECK:           nn.iota
// CHECK-NOT:       nn.matmul
// CHECK:           kernel.return %lower
// CHECK:         kernel.group
// CHECK:           nn.matmul
// CHECK:           nn.select
func.func @main(%x: tensor<4x5xf32>, %w: tensor<5x4xf32>) -> tensor<4x4xf32> {
  %y = nn.matmul %x, %w : (tensor<4x5xf32>, tensor<5x4xf32>) -> tensor<4x4xf32>
  %i = nn.iota {axis = 0} : tensor<4x4xi32>
  %j = nn.iota {axis = 1} : tensor<4x4xi32>
  %zero = nn.constant 0.0 : tensor<4x4xf32>
  %lower = nn.compare ge %i, %j : tensor<4x4xi32> -> tensor<4x4xi1>
  %m = nn.select %lower, %y, %zero : tensor<4x4xi1>, tensor<4x4xf32>
  func.return %m : tensor<4x4xf32>
}

// -----

// Nor does a tile hold bytes or 64-bit elements: the conversion stays out of an f32 product's kernel.
// A product of f64 has no tiles, so what follows it may be anything.
// CHECK-LABEL: func.func @main
// CHECK:         kernel.group
// CHECK:           nn.matmul
// CHECK-NEXT:      kernel.return
// CHECK:         kernel.group
// CHECK:           nn.cast %{{.*}} to f64
// CHECK:         kernel.group
// CHECK:           nn.matmul
// CHECK-NEXT:      nn.cast %{{.*}} to f32
// CHECK-NEXT:      kernel.return
func.func @main(%x: tensor<4x5xf32>, %w: tensor<5x6xf32>, %v: tensor<6x4xf64>) -> tensor<4x4xf32> {
  %y = nn.matmul %x, %w : (tensor<4x5xf32>, tensor<5x6xf32>) -> tensor<4x6xf32>
  %d = nn.cast %y to f64 : tensor<4x6xf32> -> tensor<4x6xf64>
  %z = nn.matmul %d, %v : (tensor<4x6xf64>, tensor<6x4xf64>) -> tensor<4x4xf64>
  %f = nn.cast %z to f32 : tensor<4x4xf64> -> tensor<4x4xf32>
  func.return %f : tensor<4x4xf32>
}
