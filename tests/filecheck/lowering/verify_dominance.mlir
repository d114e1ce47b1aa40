// RUN: nnc-opt %s -p verify-dominance --split-input-file --verify-diagnostics | filecheck %s

// CHECK: arith.mulf in @late: operand 1 (%s, the result of arith.addf) is not defined before it
kernel.func @late(%x: f32) {
  %p = "arith.mulf"(%x, %s) <{fastmath = #arith.fastmath<none>}> : (f32, f32) -> f32
  %s = arith.addf %x, %x : f32
  kernel.return
}

// -----

// A value from around a loop is seen in it, and the loop's own in what it holds.
// CHECK-LABEL: kernel.func @nested
kernel.func @nested(%x: memref<4xf32>) {
  %one = arith.constant 1.0 : f32
  loop.for %i to 4 {
    loop.when affine_set<(d0) : (d0 - 1 >= 0)>(%i) {
      buffer.store %one, %x[%i] : f32 to memref<4xf32>
      loop.yield
    }
    loop.yield
  }
  kernel.return
}
