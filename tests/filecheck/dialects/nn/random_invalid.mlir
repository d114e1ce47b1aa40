// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.uniform: the key must be tensor<i32> or tensor<i64>, given tensor<2xi32>
func.func @key(%key: tensor<2xi32>, %counter: tensor<i64>) {
  %u = nn.uniform %key, %counter : tensor<2xi32>, tensor<i64> -> tensor<4x5xf32>
  func.return
}

// -----

// CHECK: nn.normal: draws are floats, given tensor<4xi32>
func.func @integers(%key: tensor<i32>, %counter: tensor<i32>) {
  %u = nn.normal %key, %counter : tensor<i32>, tensor<i32> -> tensor<4xi32>
  func.return
}

// -----

// CHECK: nn.dropout: the rate is 1.0, expected 0 <= rate < 1
func.func @rate(%key: tensor<i32>, %counter: tensor<i32>, %x: tensor<4xf32>) {
  %y = nn.dropout %x, %key, %counter {rate = 1.0} : tensor<4xf32>, tensor<i32>, tensor<i32>
  func.return
}

// -----

// CHECK: nn.uniform: tensor<65536x65536xf32> has 4294967296 positions, which are i32 and so at most 2147483648; compute it in parts
func.func @f(%k: tensor<i64>) {
  %y = nn.uniform %k, %k : tensor<i64>, tensor<i64> -> tensor<65536x65536xf32>
  func.return
}

// -----

// CHECK: nn.dropout: tensor<65536x32769xf16> has 2147549184 positions
func.func @f(%x: tensor<65536x32769xf16>, %k: tensor<i64>) {
  %y = nn.dropout %x, %k, %k {rate = 0.5} : tensor<65536x32769xf16>, tensor<i64>, tensor<i64>
  func.return
}
