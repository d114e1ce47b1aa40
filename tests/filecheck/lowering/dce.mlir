// RUN: nnc-opt %s -p dce | filecheck %s

// The sum goes with the loop that alone reads it; the loop that writes stays, without its load.
// CHECK-LABEL: kernel.func @dead
// CHECK-NEXT:    %one = arith.constant
// CHECK-NEXT:    loop.for %i to 4 {
// CHECK-NEXT:      buffer.store %one, %y[%i]
// CHECK-NEXT:      loop.yield
// CHECK-NEXT:    }
// CHECK-NEXT:    kernel.return
kernel.func @dead(%x: memref<4xf32>, %y: memref<4xf32>) outs 1 {
  %one = arith.constant 1.0 : f32
  %two = arith.addf %one, %one : f32
  %sum = loop.for %i to 4 iter_args(%s = %two) -> (f32) {
    %a = buffer.load %x[%i] : memref<4xf32> -> f32
    %b = arith.addf %s, %a : f32
    loop.yield %b : f32
  }
  loop.for %i to 4 {
    %c = buffer.load %x[%i] : memref<4xf32> -> f32
    buffer.store %one, %y[%i] : f32 to memref<4xf32>
    loop.yield
  }
  kernel.return
}
