// RUN: nnc-opt %s -p 'loop-map{target=avx512}' | filecheck %s
// RUN: nnc-opt %s -p 'loop-map{target=cuda}' | filecheck %s --check-prefix CUDA
// RUN: nnc-opt %s -p 'loop-map{target=c99}' | filecheck %s --check-prefix C99

// c99 has no threads at all.
// C99-NOT: mapping

// Forty thousand elements are worth a fork. On the GPU every outermost loop is.
// CHECK-LABEL: kernel.func @worth
// CHECK:         loop.parallel (%i, %j) to (40, 1000) mapping [threads, sequential] {
// CUDA-LABEL:  kernel.func @worth
// CUDA:          loop.parallel (%i, %j) to (40, 1000) mapping [threads, sequential] {
kernel.func @worth(%x: memref<40x1000xf32>, %y: memref<40x1000xf32>) outs 1 {
  loop.parallel (%i, %j) to (40, 1000) {
    %0 = buffer.load %x[%i, %j] : memref<40x1000xf32> -> f32
    %1 = math.absf %0 : f32
    buffer.store %1, %y[%i, %j] : f32 to memref<40x1000xf32>
    loop.yield
  }
  kernel.return
}

// CHECK-LABEL: kernel.func @small
// CHECK-NOT:     mapping
// CHECK:         kernel.return
// CUDA-LABEL:  kernel.func @small
// CUDA:          loop.parallel (%i, %j) to (4, 100) mapping [threads, sequential] {
kernel.func @small(%x: memref<4x100xf32>, %y: memref<4x100xf32>) outs 1 {
  loop.parallel (%i, %j) to (4, 100) {
    %0 = buffer.load %x[%i, %j] : memref<4x100xf32> -> f32
    buffer.store %0, %y[%i, %j] : f32 to memref<4x100xf32>
    loop.yield
  }
  kernel.return
}

// One turn cannot be divided among threads.
// CHECK-LABEL: kernel.func @undivided
// CHECK-NOT:     mapping
// CHECK:         kernel.return
kernel.func @undivided(%x: memref<1x100000xf32>, %y: memref<1x100000xf32>) outs 1 {
  loop.parallel (%i, %j) to (1, 100000) {
    %0 = buffer.load %x[%i, %j] : memref<1x100000xf32> -> f32
    buffer.store %0, %y[%i, %j] : f32 to memref<1x100000xf32>
    loop.yield
  }
  kernel.return
}

// Of a micro-kernel the lanes count and its loops multiply; it is never mapped itself.
// CHECK-LABEL: kernel.func private @tile
// CHECK-NOT:     mapping
// CHECK-LABEL: kernel.func @calls
// CHECK:         loop.parallel (%i) to (16) mapping [threads] {
kernel.func private @tile(%x: memref<64x64xf32>) {
  %zero = arith.constant 0.0 : f32
  %sum = tile.fill %zero : f32 -> vector<4x64xf32>
  %total = loop.for %i to 64 iter_args(%s = %sum) -> (vector<4x64xf32>) {
    %row = tile.load %x[%i, 0] along [1] : memref<64x64xf32> -> vector<64xf32>
    %rows = tile.broadcast %row along [1] : vector<64xf32> -> vector<4x64xf32>
    %next = arith.addf %s, %rows : vector<4x64xf32>
    loop.yield %next : vector<4x64xf32>
  }
  loop.parallel (%i) to (4) {
    buffer.store %zero, %x[%i, 0] : f32 to memref<64x64xf32>
    loop.yield
  }
  tile.store %total, %x[0, 0] along [0, 1] : vector<4x64xf32> to memref<64x64xf32>
  kernel.return
}
kernel.func @calls(%x: memref<64x64xf32>) inouts 1 {
  loop.parallel (%i) to (16) {
    kernel.call @tile(%x[0, 0]) : memref<64x64xf32>
    loop.yield
  }
  kernel.return
}

// Only the outermost loop is mapped, and a parallel loop inside of one that runs in order is not.
// CHECK-LABEL: kernel.func @nested
// CHECK:         loop.parallel (%i) to (40) mapping [threads] {
// CHECK-NEXT:      loop.parallel (%j) to (1000) {
// CHECK:         loop.for
// CHECK-NEXT:      loop.parallel (%{{.*}}) to (1000) {
kernel.func @nested(%x: memref<40x1000xf32>) inouts 1 {
  %zero = arith.constant 0.0 : f32
  loop.parallel (%i) to (40) {
    loop.parallel (%j) to (1000) {
      buffer.store %zero, %x[%i, %j] : f32 to memref<40x1000xf32>
      loop.yield
    }
    loop.yield
  }
  loop.for %i to 40 {
    loop.parallel (%j) to (1000) {
      buffer.store %zero, %x[%i, %j] : f32 to memref<40x1000xf32>
      loop.yield
    }
    loop.yield
  }
  kernel.return
}
