// RUN: nnc-opt %s -p nn-phases,cse --split-input-file | filecheck %s

// A 3x3 kernel of stride 2 becomes four of 2x2, with zeros where there is no fourth row or column;
// four gradients of stride 1 lie one after the other, and are interleaved.

// CHECK-LABEL: func.func @main
func.func @main(%k: tensor<3x5x3x3xf32>, %g: tensor<2x3x4x4xf32>) -> tensor<2x5x8x8xf32> {
  %dx = nn.conv_input_grad %g, %k {size = [8, 8], strides = [2, 2], low = [1, 1], high = [1, 1], dilations = [1, 1], groups = 1} : (tensor<2x3x4x4xf32>, tensor<3x5x3x3xf32>) -> tensor<2x5x8x8xf32>
  func.return %dx : tensor<2x5x8x8xf32>
}
// CHECK-NEXT: %[[K:.*]] = nn.pad %k {low = [0, 0, 0, 0], high = [0, 0, 1, 1], value = 0.000000e+00}
// CHECK-NEXT: %[[TAPS:.*]] = nn.reshape %[[K]] : tensor<3x5x4x4xf32> -> tensor<3x5x2x2x2x2xf32>
// CHECK-NEXT: %[[MOVED:.*]] = nn.transpose %[[TAPS]] {permutation = [3, 5, 0, 1, 2, 4]}
// CHECK-NEXT: %[[STACK:.*]] = nn.reshape %[[MOVED]] : tensor<2x2x3x5x2x2xf32> -> tensor<4x3x5x2x2xf32>
// CHECK: nn.conv_input_grad %g, %{{.*}} {size = [5, 5], strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<2x3x4x4xf32>, tensor<3x5x2x2xf32>) -> tensor<2x5x5x5xf32>
// CHECK-COUNT-3: nn.conv_input_grad
// CHECK-NEXT: %[[ALL:.*]] = nn.concat {{.*}} {axis = 0}
// CHECK-NEXT: %[[PHASES:.*]] = nn.reshape %[[ALL]] : tensor<8x5x5x5xf32> -> tensor<2x2x2x5x5x5xf32>
// CHECK-NEXT: %[[BESIDE:.*]] = nn.transpose %[[PHASES]] {permutation = [2, 3, 4, 0, 5, 1]}
// CHECK-NEXT: %[[IMAGE:.*]] = nn.reshape %[[BESIDE]] : tensor<2x5x5x2x5x2xf32> -> tensor<2x5x10x10xf32>
// CHECK-NEXT: %dx = nn.slice %[[IMAGE]] {starts = [0, 0, 1, 1], limits = [2, 5, 9, 9]
// CHECK-NEXT: func.return %dx

// -----

// A kernel smaller than its stride leaves phases of zeros.

// CHECK-LABEL: func.func @main
func.func @main(%k: tensor<3x5x1xf32>, %g: tensor<2x3x5xf32>) -> tensor<2x5x14xf32> {
  %dx = nn.conv_input_grad %g, %k {size = [14], strides = [3], low = [0], high = [0], dilations = [1], groups = 1} : (tensor<2x3x5xf32>, tensor<3x5x1xf32>) -> tensor<2x5x14xf32>
  func.return %dx : tensor<2x5x14xf32>
}
// CHECK-NOT: nn.concat
// CHECK: %[[DX:.*]] = nn.conv_input_grad %g, %{{.*}} {size = [5], strides = [1]
// CHECK-NEXT: %[[ONE:.*]] = nn.reshape %[[DX]] : tensor<2x5x5xf32> -> tensor<1x2x5x5xf32>
// CHECK-NEXT: nn.pad %[[ONE]] {low = [0, 0, 0, 0], high = [2, 0, 0, 0], value = 0.000000e+00}
// CHECK-NOT: nn.conv_input_grad

// -----

// Stride 1 stays as it is, and so does a stride with a dilation.

// CHECK-LABEL: func.func @main
func.func @main(%k: tensor<3x5x3xf32>, %g: tensor<2x3x6xf32>) -> (tensor<2x5x8xf32>, tensor<2x5x15xf32>) {
  %dx = nn.conv_input_grad %g, %k {size = [8], strides = [1], low = [0], high = [0], dilations = [1], groups = 1} : (tensor<2x3x6xf32>, tensor<3x5x3xf32>) -> tensor<2x5x8xf32>
  %dz = nn.conv_input_grad %g, %k {size = [15], strides = [2], low = [0], high = [0], dilations = [2], groups = 1} : (tensor<2x3x6xf32>, tensor<3x5x3xf32>) -> tensor<2x5x15xf32>
  func.return %dx, %dz : tensor<2x5x8xf32>, tensor<2x5x15xf32>
}
// CHECK-NEXT: nn.conv_input_grad %g, %k {size = [8], strides = [1]
// CHECK-NEXT: nn.conv_input_grad %g, %k {size = [15], strides = [2]
// CHECK-NEXT: func.return
