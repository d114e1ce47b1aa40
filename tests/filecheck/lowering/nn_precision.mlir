// RUN: nnc-opt %s -p nn-precision{type=bf16},cse --split-input-file | filecheck %s
// RUN: nnc-opt %s -p 'nn-precision{type=f16},graph,group{target=avx2}' --split-input-file | filecheck %s --check-prefix GROUP
// RUN: not nnc-opt %s -p nn-precision{type=f8} --split-input-file 2>&1 | filecheck %s --check-prefix TYPE
// TYPE: nn-precision: unknown type 'f8', expected one of bf16, f16

// What a product reads is cast, each value once; sums, bias and softmax stay f32.
// CHECK-LABEL: func.func @main
// CHECK-NEXT:    %[[X:.*]] = nn.cast %x to bf16 : tensor<4x8xf32> -> tensor<4x8xbf16>
// CHECK-NEXT:    %[[W:.*]] = nn.cast %w to bf16
// CHECK-NEXT:    %[[Z:.*]] = nn.matmul %[[X]], %[[W]] : (tensor<4x8xbf16>, tensor<8x8xbf16>) -> tensor<4x8xf32>
// CHECK-NEXT:    %[[H:.*]] = nn.relu %[[Z]] : tensor<4x8xf32>
// CHECK-NEXT:    %[[N:.*]] = nn.cast %[[H]] to bf16
// CHECK-NEXT:    %[[Y:.*]] = nn.matmul %[[N]], %[[W]]
// CHECK-NEXT:    %[[D:.*]] = nn.matmul %[[X]], %[[N]] {transpose_lhs}
// CHECK-NEXT:    nn.softmax %[[Y]] {axis = 1} : tensor<4x8xf32>

// The cast of what a kernel makes is part of it: memory holds half as many bytes.
// GROUP-LABEL: func.func @main
// GROUP:         kernel.launch @matmul_relu ins({{.*}} : tensor<4x8xf16>, tensor<8x8xf16>) -> tensor<4x8xf16>
// GROUP:       kernel.func @matmul_relu
// GROUP-NEXT:    nn.matmul
// GROUP-NEXT:    nn.relu
// GROUP-NEXT:    nn.cast
func.func @main(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4x8xf32>, tensor<8x8xf32>) {
  %z = nn.matmul %x, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %h = nn.relu %z : tensor<4x8xf32>
  %y = nn.matmul %h, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %d = nn.matmul %x, %h {transpose_lhs} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<8x8xf32>
  %s = nn.softmax %y {axis = 1} : tensor<4x8xf32>
  func.return %s, %d : tensor<4x8xf32>, tensor<8x8xf32>
}

// -----

// Convolutions, too. Other types are as the user wants them.
// CHECK-LABEL: func.func @main
// CHECK:         nn.conv %{{.*}} : (tensor<1x2x5x5xbf16>, tensor<3x2x3x3xbf16>) -> tensor<1x3x3x3xf32>
// CHECK-NEXT:    nn.matmul %a, %a : (tensor<4x4xf64>, tensor<4x4xf64>) -> tensor<4x4xf64>
// CHECK-NEXT:    nn.add %x, %x : tensor<1x2x5x5xf32>
func.func @main(%x: tensor<1x2x5x5xf32>, %k: tensor<3x2x3x3xf32>, %a: tensor<4x4xf64>) -> (tensor<1x3x3x3xf32>, tensor<4x4xf64>, tensor<1x2x5x5xf32>) {
  %y = nn.conv %x, %k {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<1x2x5x5xf32>, tensor<3x2x3x3xf32>) -> tensor<1x3x3x3xf32>
  %b = nn.matmul %a, %a : (tensor<4x4xf64>, tensor<4x4xf64>) -> tensor<4x4xf64>
  %z = nn.add %x, %x : tensor<1x2x5x5xf32>
  func.return %y, %b, %z : tensor<1x3x3x3xf32>, tensor<4x4xf64>, tensor<1x2x5x5xf32>
}
