// RUN: nnc-opt %s -p loop-cascade | filecheck %s

// 200 terms: three chunks of 64, and 8 more.
// CHECK-LABEL: kernel.func @long
kernel.func @long(%x: memref<200xf32>, %y: memref<1xf32>) outs 1 {
  %zero = arith.constant 0.0 : f32
  // CHECK: %[[CHUNKS:.*]] = loop.for %chunk to 3 iter_args(%[[A:.*]] = %zero) -> (f32) {
  // CHECK:   %[[CHUNK:.*]] = loop.for %i to 64 iter_args
  // CHECK:     buffer.load %x[(%chunk * 64) + %i]
  // CHECK:   %[[SUM:.*]] = arith.addf %[[A]], %[[CHUNK]] : f32
  // CHECK:   loop.yield %[[SUM]] : f32
  // CHECK: %[[REST:.*]] = loop.for %[[K:.*]] to 8 iter_args
  // CHECK:   buffer.load %x[%[[K]] + 192]
  // CHECK: %sum = arith.addf %[[CHUNKS]], %[[REST]] : f32
  %sum = loop.for %i to 200 iter_args(%a = %zero) -> (f32) {
    %e = buffer.load %x[%i] : memref<200xf32> -> f32
    %n = arith.addf %a, %e : f32
    loop.yield %n : f32
  }
  // CHECK: buffer.store %sum, %y[0]
  buffer.store %sum, %y[0] : f32 to memref<1xf32>
  kernel.return
}

// An inner loop adds up its own terms first; both loops are short enough.
// CHECK-LABEL: kernel.func @nested
kernel.func @nested(%x: memref<20x30xf32>, %y: memref<1xf32>) outs 1 {
  %zero = arith.constant 0.0 : f32
  // CHECK: loop.for %{{.*}} to 20 iter_args(%[[A:.*]] = %zero)
  %sum = loop.for %i to 20 iter_args(%a = %zero) -> (f32) {
    // CHECK: %[[ZERO:.*]] = arith.constant 0.0{{.*}} : f32
    // CHECK: %[[ROW:.*]] = loop.for %{{.*}} to 30 iter_args(%{{.*}} = %[[ZERO]])
    %row = loop.for %j to 30 iter_args(%b = %a) -> (f32) {
      %e = buffer.load %x[%i, %j] : memref<20x30xf32> -> f32
      %n = arith.addf %b, %e : f32
      loop.yield %n : f32
    }
    // CHECK: arith.addf %[[A]], %[[ROW]] : f32
    loop.yield %row : f32
  }
  buffer.store %sum, %y[0] : f32 to memref<1xf32>
  kernel.return
}

// The largest of many is exact in any order; a short sum stays as it is.
// CHECK-LABEL: kernel.func @left
kernel.func @left(%x: memref<200xf32>, %y: memref<2xf32>) outs 1 {
  %zero = arith.constant 0.0 : f32
  // CHECK: loop.for %{{.*}} to 200
  %max = loop.for %i to 200 iter_args(%a = %zero) -> (f32) {
    %e = buffer.load %x[%i] : memref<200xf32> -> f32
    %n = arith.maximumf %a, %e : f32
    loop.yield %n : f32
  }
  // CHECK: loop.for %{{.*}} to 64 iter_args(%{{.*}} = %{{.*}}) -> (f32) {
  // CHECK-NOT: loop.for
  %sum = loop.for %i to 64 iter_args(%a = %zero) -> (f32) {
    %e = buffer.load %x[%i] : memref<200xf32> -> f32
    %n = arith.addf %a, %e : f32
    loop.yield %n : f32
  }
  buffer.store %max, %y[0] : f32 to memref<2xf32>
  buffer.store %sum, %y[1] : f32 to memref<2xf32>
  kernel.return
}
