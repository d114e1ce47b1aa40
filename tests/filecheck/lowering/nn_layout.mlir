// RUN: nnc-opt %s -p nn-layout,nn-canonicalize --split-input-file | filecheck %s

// A dense weight is stored [in, out], and so is its state; the update works on what is stored.

// CHECK-LABEL: func.func @main
// CHECK-SAME: %w: tensor<2x3xf32> {nnc.name = "w", nnc.role = "parameter", nnc.layout = array<i64: 1, 0>}
// CHECK-SAME: %s: tensor<2x3xf32> {nnc.name = "momentum:w", nnc.role = "state", nnc.layout = array<i64: 1, 0>}
// CHECK-SAME: -> (tensor<4x3xf32>, tensor<4x2xf32>, tensor<2x3xf32>, tensor<2x3xf32>)
func.func @main(%x: tensor<4x2xf32>, %g: tensor<4x3xf32>,
                %w: tensor<3x2xf32> {nnc.name = "w", nnc.role = "parameter"},
                %s: tensor<3x2xf32> {nnc.name = "momentum:w", nnc.role = "state"},
                %lr: tensor<f32>) -> (tensor<4x3xf32>, tensor<4x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>)
    attributes {nnc.outputs = ["y", "dx"], nnc.tied = array<i64: -1, -1, 2, 3>} {
  %y = nn.matmul %x, %w {transpose_rhs} : (tensor<4x2xf32>, tensor<3x2xf32>) -> tensor<4x3xf32>
  %dx = nn.matmul %g, %w : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  %dw = nn.matmul %g, %x {transpose_lhs} : (tensor<4x3xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
  %w1, %s1 = optim.momentum %dw, %w, %s, %lr, %lr, %lr {momentum = 0.9 : f64} : (tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x2xf32>, tensor<3x2xf32>)
  func.return %y, %dx, %w1, %s1 : tensor<4x3xf32>, tensor<4x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>
}
// CHECK-NEXT: %y = nn.matmul %x, %w : (tensor<4x2xf32>, tensor<2x3xf32>)
// CHECK-NEXT: %dx = nn.matmul %g, %w {transpose_rhs}
// CHECK-NEXT: %[[DW:.*]] = nn.matmul %x, %g {transpose_lhs}
// CHECK-NEXT: %[[W:.*]], %[[S:.*]] = optim.momentum %[[DW]], %w, %s
// CHECK-NEXT: func.return %y, %dx, %[[W]], %[[S]]

// -----

// An input is stored as it comes, and a parameter that is read as it is stays so.

// CHECK-LABEL: func.func @main
// CHECK-NOT: nnc.layout
func.func @main(%x: tensor<4x2xf32>, %v: tensor<3x2xf32> {nnc.role = "input"},
                %w: tensor<2x3xf32> {nnc.role = "parameter"}) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  %y = nn.matmul %x, %w : (tensor<4x2xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
  %z = nn.matmul %x, %v {transpose_rhs} : (tensor<4x2xf32>, tensor<3x2xf32>) -> tensor<4x3xf32>
  func.return %y, %z : tensor<4x3xf32>, tensor<4x3xf32>
}
// CHECK: return

// -----

// The zeros around an image become a halo; of stride 1, also those around its cotangent.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<1x2x8x8xf32>, %k: tensor<3x2x3x3xf32>, %g: tensor<1x3x8x8xf32>) -> (tensor<1x3x8x8xf32>, tensor<1x2x8x8xf32>, tensor<3x2x3x3xf32>) {
  %y = nn.conv %x, %k {strides = [1, 1], low = [1, 1], high = [1, 1], dilations = [1, 1], groups = 1} : (tensor<1x2x8x8xf32>, tensor<3x2x3x3xf32>) -> tensor<1x3x8x8xf32>
  %dx = nn.conv_input_grad %g, %k {size = [8, 8], strides = [1, 1], low = [1, 1], high = [1, 1], dilations = [1, 1], groups = 1} : (tensor<1x3x8x8xf32>, tensor<3x2x3x3xf32>) -> tensor<1x2x8x8xf32>
  %dk = nn.conv_weight_grad %x, %g {size = [3, 3], strides = [1, 1], low = [1, 1], high = [1, 1], dilations = [1, 1], groups = 1} : (tensor<1x2x8x8xf32>, tensor<1x3x8x8xf32>) -> tensor<3x2x3x3xf32>
  func.return %y, %dx, %dk : tensor<1x3x8x8xf32>, tensor<1x2x8x8xf32>, tensor<3x2x3x3xf32>
}
// CHECK: %[[X:.*]] = nn.pad %x {low = [0, 0, 1, 1], high = [0, 0, 1, 1], value = 0.000000e+00}
// CHECK: nn.conv %[[X]], %k {strides = [1, 1], low = [0, 0], high = [0, 0]
// CHECK: %[[G:.*]] = nn.pad %g {low = [0, 0, 1, 1], high = [0, 0, 1, 1]
// CHECK: nn.conv_input_grad %[[G]], %k {size = [8, 8], strides = [1, 1], low = [2, 2], high = [2, 2]
// CHECK: nn.conv_weight_grad %{{.*}}, %g {size = [3, 3], strides = [1, 1], low = [0, 0], high = [0, 0]

// -----

// Without zeros, and for the cotangent of a stride, there is nothing to gain.

// CHECK-LABEL: func.func @main
// CHECK-NOT: nn.pad
func.func @main(%x: tensor<1x2x8x8xf32>, %k: tensor<3x2x2x2xf32>, %g: tensor<1x3x4x4xf32>) -> (tensor<1x3x4x4xf32>, tensor<1x2x8x8xf32>) {
  %y = nn.conv %x, %k {strides = [2, 2], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<1x2x8x8xf32>, tensor<3x2x2x2xf32>) -> tensor<1x3x4x4xf32>
  %dx = nn.conv_input_grad %g, %k {size = [8, 8], strides = [2, 2], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<1x3x4x4xf32>, tensor<3x2x2x2xf32>) -> tensor<1x2x8x8xf32>
  func.return %y, %dx : tensor<1x3x4x4xf32>, tensor<1x2x8x8xf32>
}
// CHECK: return
