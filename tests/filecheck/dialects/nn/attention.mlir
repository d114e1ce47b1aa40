// RUN: %roundtrip

// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<2x3x8xf32>, %k: tensor<2x5x8xf32>, %v: tensor<2x5x4xf32>, %mask: tensor<1x3x5xf32>, %grad: tensor<2x3x4xf32>) {
  // CHECK: nn.attention %q, %k, %v {scale = 5.000000e-01} : (tensor<2x3x8xf32>, tensor<2x5x8xf32>, tensor<2x5x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3xf32>)
  %y, %log_sum = nn.attention %q, %k, %v {scale = 0.5} : (tensor<2x3x8xf32>, tensor<2x5x8xf32>, tensor<2x5x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3xf32>)
  // CHECK: nn.attention %q, %k, %v, %mask {scale = 5.000000e-01, causal} : {{.*}} -> (tensor<2x3x4xf32>, tensor<2x3xf32>)
  %z, %l = nn.attention %q, %k, %v, %mask {scale = 0.5, causal} : (tensor<2x3x8xf32>, tensor<2x5x8xf32>, tensor<2x5x4xf32>, tensor<1x3x5xf32>) -> (tensor<2x3x4xf32>, tensor<2x3xf32>)
  // CHECK: nn.attention_grad %q, %k, %v, %l, %l, %grad, %mask {scale = 5.000000e-01, causal} : {{.*}} -> (tensor<2x3x8xf32>, tensor<2x5x8xf32>, tensor<2x5x4xf32>)
  %dq, %dk, %dv = nn.attention_grad %q, %k, %v, %l, %l, %grad, %mask {scale = 0.5, causal} : (tensor<2x3x8xf32>, tensor<2x5x8xf32>, tensor<2x5x4xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3x4xf32>, tensor<1x3x5xf32>) -> (tensor<2x3x8xf32>, tensor<2x5x8xf32>, tensor<2x5x4xf32>)
  func.return
}
