// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.attention: key is tensor<2x5x7xf32>, expected tensor<2x5x8xf32>
func.func @key(%q: tensor<2x3x8xf32>, %k: tensor<2x5x7xf32>, %v: tensor<2x5x4xf32>) {
  %y, %l = nn.attention %q, %k, %v {scale = 0.5} : (tensor<2x3x8xf32>, tensor<2x5x7xf32>, tensor<2x5x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3xf32>)
  func.return
}

// -----

// CHECK: nn.attention: value is tensor<3x5x4xf32>, expected tensor<2x5x4xf32>
func.func @value(%q: tensor<2x3x8xf32>, %k: tensor<2x5x8xf32>, %v: tensor<3x5x4xf32>) {
  %y, %l = nn.attention %q, %k, %v {scale = 0.5} : (tensor<2x3x8xf32>, tensor<2x5x8xf32>, tensor<3x5x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3xf32>)
  func.return
}

// -----

// CHECK: nn.attention: query, key and value must be matrices, or batches of them, given tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
func.func @vectors(%q: tensor<8xf32>) {
  %y, %l = nn.attention %q, %q, %q {scale = 0.5} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<8xf32>, tensor<f32>)
  func.return
}

// -----

// CHECK: nn.attention: the mask is tensor<3x4xf32>, expected tensor<3x5xf32>, or 1 in the place of a size
func.func @mask(%q: tensor<3x8xf32>, %k: tensor<5x8xf32>, %m: tensor<3x4xf32>) {
  %y, %l = nn.attention %q, %k, %k, %m {scale = 0.5} : (tensor<3x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>, tensor<3x4xf32>) -> (tensor<3x8xf32>, tensor<3xf32>)
  func.return
}

// -----

// CHECK: nn.attention: expected elements of f32 or f64, given tensor<3x8xf16>; cast half precision
func.func @half(%q: tensor<3x8xf16>) {
  %y, %l = nn.attention %q, %q, %q {scale = 0.5} : (tensor<3x8xf16>, tensor<3x8xf16>, tensor<3x8xf16>) -> (tensor<3x8xf16>, tensor<3xf16>)
  func.return
}

// -----

// CHECK: nn.attention_grad: delta is tensor<8xf32>, expected tensor<3xf32>
func.func @grad(%q: tensor<3x8xf32>, %l: tensor<3xf32>, %d: tensor<8xf32>) {
  %0, %1, %2 = nn.attention_grad %q, %q, %q, %l, %d, %q {scale = 0.5} : (tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<3xf32>, tensor<8xf32>, tensor<3x8xf32>) -> (tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>)
  func.return
}
