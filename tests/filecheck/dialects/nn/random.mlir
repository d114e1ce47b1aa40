// RUN: %roundtrip

// CHECK-LABEL: func.func @random
func.func @random(%key: tensor<i32>, %counter: tensor<i64>, %x: tensor<4x5xf32>) {
  // CHECK: %u = nn.uniform %key, %counter : tensor<i32>, tensor<i64> -> tensor<4x5xf32>
  %u = nn.uniform %key, %counter : tensor<i32>, tensor<i64> -> tensor<4x5xf32>
  // CHECK-NEXT: %n = nn.normal %key, %counter : tensor<i32>, tensor<i64> -> tensor<7xf64>
  %n = nn.normal %key, %counter : tensor<i32>, tensor<i64> -> tensor<7xf64>
  // CHECK-NEXT: %y = nn.dropout %x, %key, %counter {rate = 5.000000e-01} : tensor<4x5xf32>, tensor<i32>, tensor<i64>
  %y = nn.dropout %x, %key, %counter {rate = 0.5} : tensor<4x5xf32>, tensor<i32>, tensor<i64>
  func.return
}
