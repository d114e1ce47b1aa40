// RUN: nnc-opt %s -p nn-gradient --split-input-file --verify-diagnostics | filecheck %s

// One product, its bias and a mean: each parameter gets a gradient named after it, which is summed
// over what the broadcast repeated. The input needs none, so no `g @ w` is made for it.

// CHECK-LABEL: func.func @main
// CHECK-SAME: -> (tensor<4xf32>, tensor<3x2xf32>, tensor<3xf32>)
// CHECK-SAME: nnc.outputs = ["loss", "grad:w", "grad:b"], nnc.tied = array<i64: -1, -1, -1>
func.func @main(%x: tensor<4x2xf32> {nnc.name = "x", nnc.role = "input"},
                %w: tensor<3x2xf32> {nnc.name = "w", nnc.role = "parameter"},
                %b: tensor<3xf32> {nnc.name = "b", nnc.role = "parameter"}) -> tensor<4xf32>
    attributes {nnc.outputs = ["loss"]} {
  %z = nn.matmul %x, %w {transpose_rhs} : (tensor<4x2xf32>, tensor<3x2xf32>) -> tensor<4x3xf32>
  %bs = nn.broadcast %b {dimensions = [1]} : tensor<3xf32> -> tensor<4x3xf32>
  %y = nn.add %z, %bs : tensor<4x3xf32>
  %e = nn.exp %y : tensor<4x3xf32>
  %loss = nn.reduce sum %e {axes = [1]} : tensor<4x3xf32> -> tensor<4xf32>
  func.return %loss : tensor<4xf32>
}
// CHECK: %[[ONE:.*]] = nn.constant 1.000000e+00 : tensor<4xf32>
// CHECK: %[[G:.*]] = nn.broadcast %[[ONE]] {dimensions = [0]}
// CHECK: %[[DY:.*]] = nn.mul %[[G]], %e
// CHECK-DAG: %[[DB:.*]] = nn.reduce sum %[[DY]] {axes = [0]}
// CHECK-DAG: %[[DW:.*]] = nn.matmul %[[DY]], %x {transpose_lhs}
// CHECK-NOT: nn.matmul
// CHECK: func.return %loss, %[[DW]], %[[DB]]

// -----

// A value with two readers gets the sum of what they pass back.

// CHECK-LABEL: func.func @main
func.func @main(%w: tensor<4xf32> {nnc.name = "w", nnc.role = "parameter"}) -> tensor<4xf32> {
  %a = nn.exp %w : tensor<4xf32>
  %b = nn.tanh %w : tensor<4xf32>
  %c = nn.add %a, %b : tensor<4xf32>
  func.return %c : tensor<4xf32>
}
// CHECK: %c = nn.add
// CHECK: %[[SUM:.*]] = nn.add %{{.*}}, %{{.*}} : tensor<4xf32>
// CHECK-NEXT: func.return %c, %[[SUM]]

// -----

// A parameter that the result does not depend on has a gradient of zeros.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>,
                %w: tensor<4xf32> {nnc.name = "w", nnc.role = "parameter"}) -> tensor<4xf32> {
  %a = nn.exp %x : tensor<4xf32>
  func.return %a : tensor<4xf32>
}
// CHECK: %[[ZERO:.*]] = nn.constant 0.000000e+00 : tensor<4xf32>
// CHECK: func.return %a, %[[ZERO]]

// -----

// CHECK: nn-gradient: optim.sgd has no gradient: its class implements neither Differentiable nor Decomposes (train.py:7)
func.func @main(%w: tensor<4xf32> {nnc.role = "parameter"}, %s: tensor<f32>) -> tensor<4xf32> {
  %a = optim.sgd %w, %w, %s, %s, %s : (tensor<4xf32>, tensor<4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<4xf32> loc("train.py":7:3)
  func.return %a : tensor<4xf32>
}

// -----

// CHECK: nn-gradient: 'label' is tensor<4xi32>, only floating-point arguments have gradients
func.func @main(%label: tensor<4xi32> {nnc.name = "label", nnc.role = "parameter"}) -> tensor<4xi32> {
  func.return %label : tensor<4xi32>
}

// -----

// Products of half precision give f32; what they pass back is rounded to the types of the operands.

// CHECK-LABEL: func.func @main
// CHECK-SAME: -> (tensor<4x3xf32>, tensor<2x3xbf16>)
func.func @main(%x: tensor<4x2xbf16> {nnc.role = "input"},
                %w: tensor<2x3xbf16> {nnc.name = "w", nnc.role = "parameter"}) -> tensor<4x3xf32> {
  %y = nn.matmul %x, %w : (tensor<4x2xbf16>, tensor<2x3xbf16>) -> tensor<4x3xf32>
  func.return %y : tensor<4x3xf32>
}
// CHECK: %[[ONE:.*]] = nn.constant 1.000000e+00 : tensor<4x3xf32>
// CHECK: %[[G:.*]] = nn.cast %[[ONE]] to bf16 : tensor<4x3xf32> -> tensor<4x3xbf16>
// CHECK: %[[DW:.*]] = nn.matmul %x, %[[G]] {transpose_lhs} : (tensor<4x2xbf16>, tensor<4x3xbf16>) -> tensor<2x3xf32>
// CHECK: nn.cast %[[DW]] to bf16 : tensor<2x3xf32> -> tensor<2x3xbf16>
