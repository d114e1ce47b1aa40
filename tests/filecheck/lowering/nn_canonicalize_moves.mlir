// RUN: nnc-opt %s -p nn-canonicalize --split-input-file | filecheck %s

// What changes nothing is dropped.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %a = nn.reshape %x : tensor<2x3xf32> -> tensor<2x3xf32>
  %b = nn.broadcast %a {dimensions = [0, 1]} : tensor<2x3xf32> -> tensor<2x3xf32>
  %c = nn.slice %b {starts = [0, 0], limits = [2, 3], strides = [1, 1]} : tensor<2x3xf32> -> tensor<2x3xf32>
  %d = nn.pad %c {low = [0, 0], high = [0, 0], value = 0.0} : tensor<2x3xf32> -> tensor<2x3xf32>
  %e = nn.cast %d to f32 : tensor<2x3xf32> -> tensor<2x3xf32>
  %f = nn.concat %e {axis = 0} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %g = nn.reduce sum %f {axes = []} : tensor<2x3xf32> -> tensor<2x3xf32>
  func.return %g : tensor<2x3xf32>
}
// CHECK-NEXT: func.return %x

// -----

// Two of a kind become one; axes of size 1 come and go by a reshape, which is a view.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<6xf32>, %y: tensor<3xf32>, %z: tensor<3x1xf32>) -> (tensor<3x2xf32>, tensor<4x3x2xf32>, tensor<3xf32>) {
  %a = nn.reshape %x : tensor<6xf32> -> tensor<2x3xf32>
  %b = nn.reshape %a : tensor<2x3xf32> -> tensor<3x2xf32>
  %c = nn.broadcast %y {dimensions = [0]} : tensor<3xf32> -> tensor<3x2xf32>
  %d = nn.broadcast %c {dimensions = [1, 2]} : tensor<3x2xf32> -> tensor<4x3x2xf32>
  %e = nn.reduce max %z {axes = [1]} : tensor<3x1xf32> -> tensor<3xf32>
  func.return %b, %d, %e : tensor<3x2xf32>, tensor<4x3x2xf32>, tensor<3xf32>
}
// CHECK-NEXT: %[[B:.*]] = nn.reshape %x : tensor<6xf32> -> tensor<3x2xf32>
// CHECK-NEXT: %[[D:.*]] = nn.broadcast %y {dimensions = [1]} : tensor<3xf32> -> tensor<4x3x2xf32>
// CHECK-NEXT: %[[E:.*]] = nn.reshape %z : tensor<3x1xf32> -> tensor<3xf32>
// CHECK-NEXT: func.return %[[B]], %[[D]], %[[E]]

// -----

// What moves data stays.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> (tensor<2xf32>, tensor<5xf32>, tensor<4xi32>) {
  %a = nn.slice %x {starts = [1], limits = [3], strides = [1]} : tensor<4xf32> -> tensor<2xf32>
  %b = nn.pad %x {low = [1], high = [0], value = 0.0} : tensor<4xf32> -> tensor<5xf32>
  %c = nn.cast %x to i32 : tensor<4xf32> -> tensor<4xi32>
  func.return %a, %b, %c : tensor<2xf32>, tensor<5xf32>, tensor<4xi32>
}
// CHECK: nn.slice
// CHECK: nn.pad
// CHECK: nn.cast
