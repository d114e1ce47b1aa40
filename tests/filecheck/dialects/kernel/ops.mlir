// RUN: %roundtrip

// CHECK-LABEL: kernel.func @dense(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>) strategy #kernel.strategy<contraction {tile = [6, 64], rhs = "packed", block = 384}> {
kernel.func @dense(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>) strategy #kernel.strategy<contraction {tile = [6, 64], rhs = "packed", block = 384}> {
  // CHECK-NEXT: kernel.return %x : tensor<4x8xf32>
  kernel.return %x : tensor<4x8xf32>
}

// CHECK-LABEL: kernel.func @stored(%x: memref<4x8xf32>, %y: memref<4x8xf32>, %z: memref<4x8xf32>) outs 1 inouts 1 {
kernel.func @stored(%x: memref<4x8xf32>, %y: memref<4x8xf32>, %z: memref<4x8xf32>) outs 1 inouts 1 {
  loop.parallel (%i) to (2) {
    // CHECK: kernel.call @row(%x[%i * 2, 0], %y[%i, 0]) : memref<4x8xf32>, memref<4x8xf32>
    kernel.call @row(%x[2 * %i, 0], %y[%i, 0]) : memref<4x8xf32>, memref<4x8xf32>
    loop.yield
  }
  kernel.return
}

// CHECK-LABEL: kernel.func private @row(%a: memref<2x8xf32>, %b: memref<8xf32>) outs 1 {
kernel.func private @row(%a: memref<2x8xf32>, %b: memref<8xf32>) outs 1 {
  kernel.return
}

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x8xf32>, %p: memref<4x8xf32>, %q: memref<4x8xf32>, %r: memref<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: %g = kernel.group(%x) : (tensor<4x8xf32>) -> tensor<4x8xf32> {
  %g = kernel.group(%x) : (tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: ^bb0(%y: tensor<4x8xf32>):
  ^bb0(%y: tensor<4x8xf32>):
    // CHECK-NEXT: kernel.return %y : tensor<4x8xf32>
    kernel.return %y : tensor<4x8xf32>
  }
  // CHECK: %d = kernel.launch @dense ins(%g : tensor<4x8xf32>) -> tensor<4x8xf32>
  %d = kernel.launch @dense ins(%g : tensor<4x8xf32>) -> tensor<4x8xf32>
  // CHECK-NEXT: kernel.launch @stored ins(%p : memref<4x8xf32>) outs(%q : memref<4x8xf32>) inouts(%r : memref<4x8xf32>)
  kernel.launch @stored ins(%p : memref<4x8xf32>) outs(%q : memref<4x8xf32>) inouts(%r : memref<4x8xf32>)
  func.return %d : tensor<4x8xf32>
}
