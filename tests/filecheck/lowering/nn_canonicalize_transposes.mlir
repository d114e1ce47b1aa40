// RUN: nnc-opt %s -p nn-canonicalize --split-input-file | filecheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<3x4x2xf32>) {
  %a = nn.transpose %x {permutation = [1, 0, 2]} : tensor<2x3x4xf32> -> tensor<3x2x4xf32>
  %b = nn.transpose %a {permutation = [1, 0, 2]} : tensor<3x2x4xf32> -> tensor<2x3x4xf32>
  %c = nn.transpose %a {permutation = [0, 2, 1]} : tensor<3x2x4xf32> -> tensor<3x4x2xf32>
  func.return %b, %c : tensor<2x3x4xf32>, tensor<3x4x2xf32>
}
// CHECK-NEXT: %[[C:.*]] = nn.transpose %x {permutation = [1, 2, 0]}
// CHECK-NEXT: func.return %x, %[[C]]

// -----

// A matmul reads an operand transposed; the transpose of a product is the product of the others.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<5x2xf32>, %w: tensor<2x3xf32>, %v: tensor<3x7xf32>) -> (tensor<5x3xf32>, tensor<7x2xf32>) {
  %t = nn.transpose %w {permutation = [1, 0]} : tensor<2x3xf32> -> tensor<3x2xf32>
  %y = nn.matmul %x, %t {transpose_rhs} : (tensor<5x2xf32>, tensor<3x2xf32>) -> tensor<5x3xf32>
  %z = nn.matmul %w, %v : (tensor<2x3xf32>, tensor<3x7xf32>) -> tensor<2x7xf32>
  %u = nn.transpose %z {permutation = [1, 0]} : tensor<2x7xf32> -> tensor<7x2xf32>
  func.return %y, %u : tensor<5x3xf32>, tensor<7x2xf32>
}
// CHECK-NEXT: %[[Y:.*]] = nn.matmul %x, %w : (tensor<5x2xf32>, tensor<2x3xf32>) -> tensor<5x3xf32>
// CHECK-NEXT: %[[U:.*]] = nn.matmul %v, %w {transpose_lhs, transpose_rhs} : (tensor<3x7xf32>, tensor<2x3xf32>) -> tensor<7x2xf32>
// CHECK-NEXT: func.return %[[Y]], %[[U]]

// -----

// Not where the product has another reader, which would mean computing it twice.

// CHECK-LABEL: func.func @main
func.func @main(%w: tensor<2x3xf32>, %v: tensor<3x7xf32>) -> (tensor<2x7xf32>, tensor<7x2xf32>) {
  %z = nn.matmul %w, %v : (tensor<2x3xf32>, tensor<3x7xf32>) -> tensor<2x7xf32>
  %u = nn.transpose %z {permutation = [1, 0]} : tensor<2x7xf32> -> tensor<7x2xf32>
  func.return %z, %u : tensor<2x7xf32>, tensor<7x2xf32>
}
// CHECK: nn.matmul
// CHECK: nn.transpose

// -----

// An update works on what is stored: the gradient is taken transposed, and so are its results.

// CHECK-LABEL: func.func @main
func.func @main(%g: tensor<4x3xf32>, %x: tensor<4x2xf32>, %w: tensor<2x3xf32>, %s: tensor<2x3xf32>, %lr: tensor<f32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %dw = nn.matmul %g, %x {transpose_lhs} : (tensor<4x3xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
  %wt = nn.transpose %w {permutation = [1, 0]} : tensor<2x3xf32> -> tensor<3x2xf32>
  %st = nn.transpose %s {permutation = [1, 0]} : tensor<2x3xf32> -> tensor<3x2xf32>
  %w1, %s1 = optim.momentum %dw, %wt, %st, %lr, %lr, %lr {momentum = 0.9 : f64} : (tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x2xf32>, tensor<3x2xf32>)
  %w2 = nn.transpose %w1 {permutation = [1, 0]} : tensor<3x2xf32> -> tensor<2x3xf32>
  %s2 = nn.transpose %s1 {permutation = [1, 0]} : tensor<3x2xf32> -> tensor<2x3xf32>
  func.return %w2, %s2 : tensor<2x3xf32>, tensor<2x3xf32>
}
// CHECK-NEXT: %[[D:.*]] = nn.matmul %x, %g {transpose_lhs} : (tensor<4x2xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
// CHECK-NEXT: %[[W:.*]], %[[S:.*]] = optim.momentum %[[D]], %w, %s, %lr, %lr, %lr
// CHECK-NEXT: func.return %[[W]], %[[S]]

// -----

// An operand that would have to be moved keeps everything as it is, and random draws go by index.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x3xf32>, %y: tensor<3x2xf32>, %key: tensor<i64>) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  %t = nn.transpose %x {permutation = [1, 0]} : tensor<2x3xf32> -> tensor<3x2xf32>
  %z = nn.add %t, %y : tensor<3x2xf32>
  %u = nn.uniform %key, %key : tensor<i64>, tensor<i64> -> tensor<2x3xf32>
  %v = nn.transpose %u {permutation = [1, 0]} : tensor<2x3xf32> -> tensor<3x2xf32>
  func.return %z, %v : tensor<3x2xf32>, tensor<3x2xf32>
}
// CHECK: %[[T:.*]] = nn.transpose %x
// CHECK: nn.add %[[T]], %y
// CHECK: %[[U:.*]] = nn.uniform
// CHECK: nn.transpose %[[U]]
