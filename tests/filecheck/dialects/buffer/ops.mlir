// RUN: %roundtrip

// CHECK-LABEL: kernel.func @elements
kernel.func @elements(%x: memref<4x8xf32>, %y: memref<4x8xf32>) outs 1 {
  // CHECK: %scratch = buffer.alloc : memref<8xf32>
  %scratch = buffer.alloc : memref<8xf32>
  loop.for %i to 3 {
    // CHECK: %e = buffer.load %x[%i + 1, (%i * 2) mod 8] : memref<4x8xf32> -> f32
    %e = buffer.load %x[%i + 1, 2 * %i mod 8] : memref<4x8xf32> -> f32
    // CHECK-NEXT: buffer.store %e, %scratch[%i floordiv 2] : f32 to memref<8xf32>
    buffer.store %e, %scratch[%i floordiv 2] : f32 to memref<8xf32>
    loop.yield
  }
  // CHECK: %t = buffer.to_tensor %x : memref<4x8xf32> to tensor<4x8xf32>
  %t = buffer.to_tensor %x : memref<4x8xf32> to tensor<4x8xf32>
  // CHECK-NEXT: buffer.materialize %t in %y : tensor<4x8xf32> in memref<4x8xf32>
  buffer.materialize %t in %y : tensor<4x8xf32> in memref<4x8xf32>
  kernel.return
}

// CHECK-LABEL: func.func @main
func.func @main(%arena: memref<1024xi8>, %y: memref<2x2xf32>) {
  // CHECK: %halo = buffer.view %arena[64] : memref<1024xi8> to memref<4x4xf32>
  %halo = buffer.view %arena[64] : memref<1024xi8> to memref<4x4xf32>
  // CHECK-NEXT: buffer.fill_border %halo low [1, 1] high [1, 1] with 0.000000e+00 : f32 : memref<4x4xf32>
  buffer.fill_border %halo low [1, 1] high [1, 1] with 0.0 : f32 : memref<4x4xf32>
  %inner = buffer.view %halo[1, 1] : memref<4x4xf32> to memref<2x2xf32, strided<[4, 1]>>
  // CHECK: buffer.fill %inner with 1.000000e+00 : f32 : memref<2x2xf32, strided<[4, 1]>>
  buffer.fill %inner with 1.0 : f32 : memref<2x2xf32, strided<[4, 1]>>
  // CHECK-NEXT: buffer.copy %inner to %y : memref<2x2xf32, strided<[4, 1]>> to memref<2x2xf32>
  buffer.copy %inner to %y : memref<2x2xf32, strided<[4, 1]>> to memref<2x2xf32>
  func.return
}
