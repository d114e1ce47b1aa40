// RUN: nnc-opt %s -p nn-decompose | filecheck %s

// A composite op becomes reductions over its rows, broadcasts back, and elementwise ops.
// CHECK-LABEL: kernel.func @rows
kernel.func @rows(%x: memref<4x5xf32>, %y: memref<4x5xf32>) outs 1 {
  // CHECK-NEXT: %[[X:.*]] = buffer.to_tensor %x
  %0 = buffer.to_tensor %x : memref<4x5xf32> to tensor<4x5xf32>
  // CHECK-NEXT: %[[MAX:.*]] = nn.reduce max %[[X]] {axes = [1]}
  // CHECK-NEXT: %[[M:.*]] = nn.broadcast %[[MAX]] {dimensions = [0]}
  // CHECK-NEXT: %[[Z:.*]] = nn.sub %[[X]], %[[M]]
  // CHECK-NEXT: %[[E:.*]] = nn.exp %[[Z]]
  // CHECK-NEXT: %[[SUM:.*]] = nn.reduce sum %[[E]] {axes = [1]}
  // CHECK-NEXT: %[[LOG:.*]] = nn.log %[[SUM]]
  // CHECK-NEXT: %[[L:.*]] = nn.broadcast %[[LOG]] {dimensions = [0]}
  // CHECK-NEXT: %[[R:.*]] = nn.sub %[[Z]], %[[L]]
  %1 = nn.log_softmax %0 {axis = 1} : tensor<4x5xf32>
  // CHECK-NEXT: buffer.materialize %[[R]] in %y
  buffer.materialize %1 in %y : tensor<4x5xf32> in memref<4x5xf32>
  kernel.return
}

// Each of several results is replaced; here all of them are used.
// CHECK-LABEL: kernel.func @channels
kernel.func @channels(%x: tensor<2x3x4x4xf32>, %gamma: tensor<3xf32>, %beta: tensor<3xf32>) -> (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>) {
  // CHECK-NOT: nn.batch_norm
  // CHECK: %mean = nn.reduce mean %x {axes = [0, 2, 3]}
  // CHECK: %variance = nn.reduce mean %{{.*}} {axes = [0, 2, 3]}
  // CHECK: %y = nn.add
  // CHECK-NEXT: kernel.return %y, %mean, %variance
  %y, %mean, %variance = nn.batch_norm %x, %gamma, %beta {epsilon = 1.0e-5} : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>)
  kernel.return %y, %mean, %variance : tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>
}

// What is structured stays, and so does what has loops of its own.
// CHECK-LABEL: kernel.func @kept
kernel.func @kept(%x: tensor<4x5xf32>, %w: tensor<5x4xf32>) -> (tensor<4x4xf32>, tensor<4xi32>) {
  // CHECK-NEXT: %y = nn.matmul
  %y = nn.matmul %x, %w : (tensor<4x5xf32>, tensor<5x4xf32>) -> tensor<4x4xf32>
  // CHECK-NEXT: %g = nn.gelu
  %g = nn.gelu %y : tensor<4x4xf32>
  // CHECK-NEXT: %i = nn.argmax
  %i = nn.argmax %x {axis = 1} : tensor<4x5xf32> -> tensor<4xi32>
  kernel.return %g, %i : tensor<4x4xf32>, tensor<4xi32>
}

// Outside of kernels ops stay whole: what is not in a kernel may still meet a strategy for all of it.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x5xf32>) -> tensor<4x5xf32> {
  // CHECK-NEXT: nn.softmax
  %y = nn.softmax %x {axis = 1} : tensor<4x5xf32>
  func.return %y : tensor<4x5xf32>
}

// Half precision is computed in f32, in which epsilon and the sums fit.
// CHECK-LABEL: kernel.func @half
// CHECK-NEXT:    %[[X:.*]] = nn.cast %x to f32 : tensor<4x5xf16> -> tensor<4x5xf32>
// CHECK-NEXT:    nn.reduce max %[[X]] {axes = [1]} : tensor<4x5xf32>
// CHECK:         %[[Y:.*]] = nn.cast %{{.*}} to f16 : tensor<4x5xf32> -> tensor<4x5xf16>
// CHECK-NEXT:    kernel.return %[[Y]]
kernel.func @half(%x: tensor<4x5xf16>) -> (tensor<4x5xf16>) {
  %y = nn.softmax %x {axis = 1} : tensor<4x5xf16>
  kernel.return %y : tensor<4x5xf16>
}
