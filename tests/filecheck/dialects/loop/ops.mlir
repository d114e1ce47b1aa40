// RUN: %roundtrip

// CHECK-LABEL: kernel.func @loops
kernel.func @loops(%x: memref<4x8xf32>) {
  %zero = arith.constant 0.0 : f32
  // CHECK: %sum = loop.for %i to 4 iter_args(%a = %zero) -> (f32) {
  %sum = loop.for %i to 4 iter_args(%a = %zero) -> (f32) {
    // CHECK-NEXT: %row = loop.for %j to 8 unroll 4 iter_args(%b = %a) -> (f32) {
    %row = loop.for %j to 8 unroll 4 iter_args(%b = %a) -> (f32) {
      %e = buffer.load %x[%i, %j] : memref<4x8xf32> -> f32
      %n = arith.addf %b, %e : f32
      // CHECK: loop.yield %n : f32
      loop.yield %n : f32
    }
    loop.yield %row : f32
  }
  // CHECK: loop.parallel (%i_1, %j_1) to (2, 3) {
  loop.parallel (%i, %j) to (2, 3) {
    // CHECK: loop.when affine_set<(d0, d1) : ((d0 + (d1 * -1)) >= 0, (d1 + -1) <= 0)>(%i_1, %j_1) {
    loop.when affine_set<(d0, d1) : (d0 - d1 >= 0, d1 - 1 <= 0)>(%i, %j) {
      buffer.store %sum, %x[%i, %j] : f32 to memref<4x8xf32>
      loop.yield
    }
    // CHECK: %v = loop.when affine_set<(d0) : ((d0 + -1) == 0)>(%i_1) otherwise(%zero : f32) -> f32 {
    %v = loop.when affine_set<(d0) : (d0 - 1 == 0)>(%i) otherwise(%zero : f32) -> f32 {
      loop.yield %sum : f32
    }
    // CHECK: loop.yield %sum : f32
    loop.yield
  }
  // CHECK: loop.parallel (%i_2, %j_2) to (6, 2) mapping [threads, sequential] {
  loop.parallel (%i, %j) to (6, 2) mapping [threads, sequential] {
    // CHECK-NEXT: loop.barrier
    loop.barrier
    loop.yield
  }
  kernel.return
}
