// RUN: nnc-opt %s -p loop-hoist | filecheck %s

// A load, a constant and what is computed of them move out of both loops, as far as they can.
// CHECK-LABEL: kernel.func @moved
// CHECK-NEXT:    %one = arith.constant
// CHECK-NEXT:    %s = buffer.load %b[0]
// CHECK-NEXT:    %t = arith.addf %s, %one
// CHECK-NEXT:    loop.parallel (%i) to (4) {
// CHECK-NEXT:      %r = buffer.load %b[%i]
// CHECK-NEXT:      loop.for %j to 8 {
// CHECK-NEXT:        %e = buffer.load %x[%i, %j]
kernel.func @moved(%x: memref<4x8xf32>, %b: memref<4xf32>, %y: memref<4x8xf32>) outs 1 {
  loop.parallel (%i) to (4) {
    loop.for %j to 8 {
      %one = arith.constant 1.0 : f32
      %s = buffer.load %b[0] : memref<4xf32> -> f32
      %t = arith.addf %s, %one : f32
      %r = buffer.load %b[%i] : memref<4xf32> -> f32
      %e = buffer.load %x[%i, %j] : memref<4x8xf32> -> f32
      %0 = arith.mulf %e, %t : f32
      %1 = arith.addf %0, %r : f32
      buffer.store %1, %y[%i, %j] : f32 to memref<4x8xf32>
      loop.yield
    }
    loop.yield
  }
  kernel.return
}

// What the kernel writes, itself or by a call, is read where it was read; what depends on a carried
// value stays too.
// CHECK-LABEL: kernel.func @written
// CHECK:         loop.for %i to 8 iter_args(%c = %zero) -> (f32) {
// CHECK-NEXT:      %s = buffer.load %y[0]
// CHECK-NEXT:      %t = arith.addf %s, %c
// CHECK:         loop.parallel (%{{.*}}) to (8) {
// CHECK-NEXT:      tile.load %z[0]
kernel.func private @fill(%z: memref<8xf32>) {
  %zero = arith.constant 0.0 : f32
  buffer.store %zero, %z[0] : f32 to memref<8xf32>
  kernel.return
}
kernel.func @written(%y: memref<8xf32>, %z: memref<8xf32>) inouts 2 {
  %zero = arith.constant 0.0 : f32
  %last = loop.for %i to 8 iter_args(%c = %zero) -> (f32) {
    %s = buffer.load %y[0] : memref<8xf32> -> f32
    %t = arith.addf %s, %c : f32
    buffer.store %t, %y[%i] : f32 to memref<8xf32>
    loop.yield %t : f32
  }
  loop.parallel (%i) to (8) {
    %v = tile.load %z[0] along [0] : memref<8xf32> -> vector<8xf32>
    tile.store %v, %y[0] along [0] : vector<8xf32> to memref<8xf32>
    kernel.call @fill(%z[0]) : memref<8xf32>
    loop.yield
  }
  kernel.return
}

// So is what it writes through a view.
// CHECK-LABEL: kernel.func @viewed
// CHECK:         loop.for %i to 8 {
// CHECK-NEXT:      %s = buffer.load %y[0, 0]
kernel.func @viewed(%y: memref<2x4xf32>) inouts 1 {
  %flat = buffer.view %y[0, 0] : memref<2x4xf32> to memref<8xf32>
  loop.for %i to 8 {
    %s = buffer.load %y[0, 0] : memref<2x4xf32> -> f32
    buffer.store %s, %flat[%i] : f32 to memref<8xf32>
    loop.yield
  }
  kernel.return
}

// The body of a loop over threads becomes a function of its own and keeps all it uses; loops inside
// of it give theirs up to it.
// CHECK-LABEL: kernel.func @mapped
// CHECK-NEXT:    loop.parallel (%i) to (4) mapping [threads] {
// CHECK-NEXT:      %s = buffer.load %b[0]
// CHECK-NEXT:      loop.parallel (%j) to (8) {
// CHECK-NEXT:        buffer.store %s, %y[%i, %j]
kernel.func @mapped(%b: memref<4xf32>, %y: memref<4x8xf32>) outs 1 {
  loop.parallel (%i) to (4) mapping [threads] {
    loop.parallel (%j) to (8) {
      %s = buffer.load %b[0] : memref<4xf32> -> f32
      buffer.store %s, %y[%i, %j] : f32 to memref<4x8xf32>
      loop.yield
    }
    loop.yield
  }
  kernel.return
}

// What a guard protects is not read without it.
// CHECK-LABEL: kernel.func @guarded
// CHECK:         loop.for %i to 4 {
// CHECK-NEXT:      loop.when
// CHECK-NEXT:        %s = buffer.load %b[0]
kernel.func @guarded(%b: memref<4xf32>, %y: memref<4xf32>) outs 1 {
  loop.for %i to 4 {
    loop.when affine_set<(d0) : (d0 - 1 >= 0)>(%i) {
      %s = buffer.load %b[0] : memref<4xf32> -> f32
      buffer.store %s, %y[%i] : f32 to memref<4xf32>
      loop.yield
    }
    loop.yield
  }
  kernel.return
}
