// RUN: nnc-opt %s -p verify-inplace --split-input-file --verify-diagnostics | filecheck %s

// Each element is read before it is written, and iterations touch different elements.

// CHECK-LABEL: kernel.func @pointwise
kernel.func @pointwise(%x: memref<4x6xf32>, %y: memref<4x6xf32>) inouts 1 {
  loop.parallel (%i, %j) to (4, 6) {
    %a = buffer.load %y[%i, %j] : memref<4x6xf32> -> f32
    buffer.store %a, %y[%i, %j] : f32 to memref<4x6xf32>
    loop.yield
  }
  kernel.return
}

// -----

// Row by row: a sweep reads the row, the next one writes it.

// CHECK-LABEL: kernel.func @rows
kernel.func @rows(%y: memref<4x6xf32>) inouts 1 {
  loop.parallel (%i) to (4) {
    loop.for %j to 6 {
      %a = buffer.load %y[%i, %j] : memref<4x6xf32> -> f32
      loop.yield
    }
    %zero = arith.constant 0.0 : f32
    loop.parallel (%j) to (6) {
      buffer.store %zero, %y[%i, %j] : f32 to memref<4x6xf32>
      loop.yield
    }
    loop.yield
  }
  kernel.return
}

// -----

// Tiles of 4 rows and 16 lanes through a micro-kernel, and an edge that starts where they end.

// CHECK-LABEL: kernel.func @tiles
kernel.func @tiles(%y: memref<10x32xf32>) inouts 1 {
  loop.parallel (%i, %j) to (2, 2) {
    kernel.call @tile(%y[%i * 4, %j * 16], %y[%i * 4, %j * 16]) : memref<10x32xf32>, memref<10x32xf32>
    loop.yield
  }
  loop.parallel (%j) to (2) {
    %a = tile.load %y[8, %j * 16] along [0, 1] : memref<10x32xf32> -> vector<2x16xf32>
    tile.store %a, %y[8, %j * 16] along [0, 1] : vector<2x16xf32> to memref<10x32xf32>
    loop.yield
  }
  kernel.return
}
kernel.func private @tile(%r: memref<10x32xf32>, %w: memref<10x32xf32>) {
  %a = tile.load %r[0, 0] along [0, 1] : memref<10x32xf32> -> vector<4x16xf32>
  tile.store %a, %w[0, 0] along [0, 1] : vector<4x16xf32> to memref<10x32xf32>
  kernel.return
}

// -----

// CHECK: verify-inplace: kernel @again: %y is read by buffer.load and written by buffer.store, which comes first; it must not be donated
kernel.func @again(%y: memref<4xf32>) inouts 1 {
  loop.parallel (%i) to (4) {
    %zero = arith.constant 0.0 : f32
    buffer.store %zero, %y[%i] : f32 to memref<4xf32>
    %a = buffer.load %y[%i] : memref<4xf32> -> f32
    loop.yield
  }
  kernel.return
}

// -----

// K blocks: the residual of a block is read again after the block before has been stored.

// CHECK: verify-inplace: kernel @blocks: %y is read by buffer.load and written by buffer.store, and runs of a loop around both may touch the same element
kernel.func @blocks(%y: memref<4xf32>) inouts 1 {
  loop.for %k to 2 {
    loop.parallel (%i) to (4) {
      %a = buffer.load %y[%i] : memref<4xf32> -> f32
      buffer.store %a, %y[%i] : f32 to memref<4xf32>
      loop.yield
    }
    loop.yield
  }
  kernel.return
}

// -----

// The last tile overlaps the one before it, and reads what that has written.

// CHECK: verify-inplace: kernel @overlap: %y is read by tile.load and written by tile.store, which comes first
kernel.func @overlap(%y: memref<20xf32>) inouts 1 {
  %a = tile.load %y[0] along [0] : memref<20xf32> -> vector<16xf32>
  tile.store %a, %y[0] along [0] : vector<16xf32> to memref<20xf32>
  %b = tile.load %y[4] along [0] : memref<20xf32> -> vector<16xf32>
  tile.store %b, %y[4] along [0] : vector<16xf32> to memref<20xf32>
  kernel.return
}

// -----

// A transposition in place: row i is written while column i of later rows is still to be read.

// CHECK: verify-inplace: kernel @transposed: %y is read by buffer.load and written by buffer.store, and runs of a loop
kernel.func @transposed(%y: memref<4x4xf32>) inouts 1 {
  loop.parallel (%i, %j) to (4, 4) {
    %a = buffer.load %y[%j, %i] : memref<4x4xf32> -> f32
    buffer.store %a, %y[%i, %j] : f32 to memref<4x4xf32>
    loop.yield
  }
  kernel.return
}

// -----

// Seen as one long dimension, read and written through one view.

// CHECK-LABEL: kernel.func @flat
kernel.func @flat(%y: memref<4x6xf32>) inouts 1 {
  %v = buffer.view %y[0, 0] : memref<4x6xf32> to memref<24xf32>
  loop.parallel (%i) to (24) {
    %a = buffer.load %v[%i] : memref<24xf32> -> f32
    buffer.store %a, %v[%i] : f32 to memref<24xf32>
    loop.yield
  }
  kernel.return
}

// -----

// CHECK: verify-inplace: kernel @reversed: %y is read by buffer.load and written by buffer.store, and runs of a loop
kernel.func @reversed(%y: memref<4x6xf32>) inouts 1 {
  %v = buffer.view %y[0, 0] : memref<4x6xf32> to memref<24xf32>
  loop.parallel (%i) to (24) {
    %a = buffer.load %v[%i * -1 + 23] : memref<24xf32> -> f32
    buffer.store %a, %v[%i] : f32 to memref<24xf32>
    loop.yield
  }
  kernel.return
}

// -----

// CHECK: verify-inplace: kernel @two_views: %y is read by buffer.load and written by buffer.store, through views that differ
kernel.func @two_views(%y: memref<4x6xf32>) inouts 1 {
  %v = buffer.view %y[0, 0] : memref<4x6xf32> to memref<24xf32>
  loop.parallel (%i) to (24) {
    %a = buffer.load %y[0, 0] : memref<4x6xf32> -> f32
    buffer.store %a, %v[%i] : f32 to memref<24xf32>
    loop.yield
  }
  kernel.return
}

// -----

// CHECK: verify-inplace: kernel.launch @f is passed %y twice and writes it
func.func @main(%y: memref<4xf32>) {
  kernel.launch @f ins(%y : memref<4xf32>) outs(%y : memref<4xf32>)
  func.return
}
kernel.func @f(%x: memref<4xf32>, %y: memref<4xf32>) outs 1 {
  kernel.return
}
