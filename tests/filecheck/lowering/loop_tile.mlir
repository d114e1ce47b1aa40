// RUN: nnc-opt %s -p 'loop-tile{target=sse2}' | filecheck %s
// RUN: nnc-opt %s -p 'loop-tile{target=c99}' | filecheck %s --check-prefix SCALAR

// A target without vectors keeps scalars.
// SCALAR-NOT: vector

// Lanes lie along the last dimension; four native vectors to a turn, where they cover it exactly. What
// does not move with the lanes is loaded once and filled into all of them.
// CHECK-LABEL: kernel.func @exact
// CHECK-NEXT:    loop.parallel (%i, %j) to (3, 2) {
// CHECK-NEXT:      %[[X:.*]] = tile.load %x[%i, %j * 16] along [1] : memref<3x32xf32> -> vector<16xf32>
// CHECK-NEXT:      %[[S:.*]] = buffer.load %s[]
// CHECK-NEXT:      %[[F:.*]] = tile.fill %[[S]] : f32 -> vector<16xf32>
// CHECK-NEXT:      %[[P:.*]] = arith.mulf %[[X]], %[[F]] : vector<16xf32>
// CHECK-NEXT:      tile.store %[[P]], %y[%i, %j * 16] along [1]
kernel.func @exact(%x: memref<3x32xf32>, %s: memref<f32>, %y: memref<3x32xf32>) outs 1 {
  loop.parallel (%i, %j) to (3, 32) {
    %0 = buffer.load %x[%i, %j] : memref<3x32xf32> -> f32
    %1 = buffer.load %s[] : memref<f32> -> f32
    %2 = arith.mulf %0, %1 : f32
    buffer.store %2, %y[%i, %j] : f32 to memref<3x32xf32>
    loop.yield
  }
  kernel.return
}

// The rest: single vectors, then one that is partly filled.
// CHECK-LABEL: kernel.func @tail
// CHECK-NEXT:    loop.parallel (%i) to (3) {
// CHECK-NEXT:      tile.load %x[%i, 0] along [1] : memref<3x23xf32> -> vector<16xf32>
// CHECK-NEXT:      tile.store %{{.*}}, %y[%i, 0]
// CHECK-NEXT:      tile.load %x[%i, 16] along [1] : memref<3x23xf32> -> vector<4xf32>
// CHECK-NEXT:      tile.store %{{.*}}, %y[%i, 16]
// CHECK-NEXT:      tile.load %x[%i, 20] along [1] extent [3] : memref<3x23xf32> -> vector<4xf32>
// CHECK-NEXT:      tile.store %{{.*}}, %y[%i, 20] along [1] extent [3]
kernel.func @tail(%x: memref<3x23xf32>, %y: memref<3x23xf32>) outs 1 {
  loop.parallel (%i, %j) to (3, 23) {
    %0 = buffer.load %x[%i, %j] : memref<3x23xf32> -> f32
    buffer.store %0, %y[%i, %j] : f32 to memref<3x23xf32>
    loop.yield
  }
  kernel.return
}

// A reduction has one partial sum per lane for each range of its turns, combined at the end in a
// fixed order; lanes beyond the end count as zero.
// CHECK-LABEL: kernel.func @sum
// CHECK:         loop.parallel (%i) to (3) {
// CHECK:           %[[LONG:.*]] = loop.for %j to 2 iter_args(%[[S:.*]] = %{{.*}}) -> (vector<16xf32>) {
// CHECK-NEXT:        %[[X:.*]] = tile.load %x[%i, %j * 16] along [1]
// CHECK-NEXT:        arith.addf %[[S]], %[[X]] : vector<16xf32>
// CHECK:           %[[A:.*]] = tile.reduce "sum" %[[LONG]] along [0] : vector<16xf32> -> f32
// CHECK:           %[[ONE:.*]] = tile.load %x[%i, 32] along [1] : memref<3x38xf32> -> vector<4xf32>
// CHECK:           %[[B:.*]] = tile.reduce "sum" %[[ONE]]
// CHECK-NEXT:      %[[AB:.*]] = arith.addf %[[A]], %[[B]] : f32
// CHECK:           %[[REST:.*]] = tile.load %x[%i, 36] along [1] extent [2]
// CHECK:           %[[KEPT:.*]] = arith.select %{{.*}}, %[[REST]], %{{.*}} : vector<4xi1>, vector<4xf32>
// CHECK-NEXT:      %[[C:.*]] = tile.reduce "sum" %[[KEPT]]
// CHECK-NEXT:      %sum = arith.addf %[[AB]], %[[C]] : f32
// CHECK-NEXT:      buffer.store %sum, %y[%i]
kernel.func @sum(%x: memref<3x38xf32>, %y: memref<3xf32>) outs 1 {
  %zero = arith.constant 0.0 : f32
  loop.parallel (%i) to (3) {
    %sum = loop.for %j to 38 iter_args(%s = %zero) -> (f32) {
      %0 = buffer.load %x[%i, %j] : memref<3x38xf32> -> f32
      %1 = arith.addf %s, %0 : f32
      loop.yield %1 : f32
    }
    buffer.store %sum, %y[%i] : f32 to memref<3xf32>
    loop.yield
  }
  kernel.return
}

// Sums of columns: lanes lie along the columns, and the loop that adds carries a vector.
// CHECK-LABEL: kernel.func @columns
// CHECK-NOT:     tile.reduce
// CHECK:         %[[SUMS:.*]] = loop.for %j to 5 iter_args(%[[S:.*]] = %{{.*}}) -> (vector<16xf32>) {
// CHECK-NEXT:      %[[X:.*]] = tile.load %x[%j, 0] along [1]
// CHECK-NEXT:      arith.addf %[[S]], %[[X]] : vector<16xf32>
// CHECK:         tile.store %[[SUMS]], %y[0] along [0]
kernel.func @columns(%x: memref<5x16xf32>, %y: memref<16xf32>) outs 1 {
  %zero = arith.constant 0.0 : f32
  loop.parallel (%i) to (16) {
    %sum = loop.for %j to 5 iter_args(%s = %zero) -> (f32) {
      %0 = buffer.load %x[%j, %i] : memref<5x16xf32> -> f32
      %1 = arith.addf %s, %0 : f32
      loop.yield %1 : f32
    }
    buffer.store %sum, %y[%i] : f32 to memref<16xf32>
    loop.yield
  }
  kernel.return
}

// An index value is the first lane's, plus the number of the lane.
// CHECK-LABEL: kernel.func @iota
// CHECK:         %[[SIXTEEN:.*]] = arith.constant 16 : i32
// CHECK-NEXT:    %[[LANES:.*]] = tile.lanes : vector<4xi32>
// CHECK-NEXT:    %[[FIRST:.*]] = tile.fill %[[SIXTEEN]]
// CHECK-NEXT:    %[[INDEX:.*]] = arith.addi %[[FIRST]], %[[LANES]]
// CHECK-NEXT:    tile.store %[[INDEX]], %y[16] along [0]
kernel.func @iota(%y: memref<20xi32>) outs 1 {
  loop.parallel (%i) to (20) {
    %0 = arith.index_cast %i : index to i32
    buffer.store %0, %y[%i] : i32 to memref<20xi32>
    loop.yield
  }
  kernel.return
}

// f64 has no vectors.
// CHECK-LABEL: kernel.func @doubles
// CHECK-NOT:     tile.
// CHECK:         loop.parallel (%i) to (16)
// CHECK-NOT:     tile.
// CHECK:         kernel.return
kernel.func @doubles(%x: memref<16xf64>, %y: memref<16xf64>) outs 1 {
  loop.parallel (%i) to (16) {
    %0 = buffer.load %x[%i] : memref<16xf64> -> f64
    buffer.store %0, %y[%i] : f64 to memref<16xf64>
    loop.yield
  }
  kernel.return
}

// Nor have elements that are no neighbours, in one buffer …
// CHECK-LABEL: kernel.func @strided
// CHECK-NOT:     tile.
// CHECK:         loop.parallel (%i) to (16)
// CHECK-NOT:     tile.
// CHECK:         kernel.return
kernel.func @strided(%x: memref<32xf32>, %y: memref<16xf32>) outs 1 {
  loop.parallel (%i) to (16) {
    %0 = buffer.load %x[%i * 2] : memref<32xf32> -> f32
    buffer.store %0, %y[%i] : f32 to memref<16xf32>
    loop.yield
  }
  kernel.return
}

// … or in both.
// CHECK-LABEL: kernel.func @apart
// CHECK-NOT:     tile.
// CHECK:         loop.parallel (%i) to (16)
// CHECK-NOT:     tile.
// CHECK:         kernel.return
kernel.func @apart(%x: memref<16x2xf32>, %y: memref<16x2xf32>) outs 1 {
  loop.parallel (%i) to (16) {
    %0 = buffer.load %x[%i, 0] : memref<16x2xf32> -> f32
    buffer.store %0, %y[%i, 1] : f32 to memref<16x2xf32>
    loop.yield
  }
  kernel.return
}

// Nor has a guard that some lanes pass and others do not.
// CHECK-LABEL: kernel.func @guarded
// CHECK-NOT:     tile.
// CHECK:         loop.parallel (%i) to (16)
// CHECK-NOT:     tile.
// CHECK:         kernel.return
kernel.func @guarded(%x: memref<16xf32>, %y: memref<16xf32>) outs 1 {
  %zero = arith.constant 0.0 : f32
  loop.parallel (%i) to (16) {
    %0 = loop.when affine_set<(d0) : (d0 - 1 >= 0)>(%i) otherwise(%zero : f32) -> f32 {
      %1 = buffer.load %x[%i + -1] : memref<16xf32> -> f32
      loop.yield %1 : f32
    }
    buffer.store %0, %y[%i] : f32 to memref<16xf32>
    loop.yield
  }
  kernel.return
}

// A running sum is wanted at every step: this is no reduction.
// CHECK-LABEL: kernel.func @running
// CHECK-NOT:     tile.
// CHECK:         loop.for %i to 16 iter_args(%s = %zero) -> (f32)
// CHECK-NOT:     tile.
// CHECK:         kernel.return
kernel.func @running(%x: memref<16xf32>, %y: memref<16xf32>) outs 1 {
  %zero = arith.constant 0.0 : f32
  %sum = loop.for %i to 16 iter_args(%s = %zero) -> (f32) {
    %0 = buffer.load %x[%i] : memref<16xf32> -> f32
    %1 = arith.addf %s, %0 : f32
    buffer.store %1, %y[%i] : f32 to memref<16xf32>
    loop.yield %1 : f32
  }
  kernel.return
}

// What is read once for each row decides nothing, however much that is: lanes lie along the row.
// CHECK-LABEL: kernel.func @rows
// CHECK:         loop.parallel (%i) to (4) {
// CHECK:           tile.load %x[%i, 0] along [1] : memref<4x16xf32> -> vector<16xf32>
// CHECK:           tile.reduce "sum"
// CHECK:           buffer.load %a[%i]
// CHECK:           buffer.store %{{.*}}, %y[%i]
kernel.func @rows(%x: memref<4x16xf32>, %a: memref<4xf32>, %b: memref<4xf32>, %y: memref<4xf32>, %z: memref<4xf32>) outs 2 {
  %zero = arith.constant 0.0 : f32
  loop.parallel (%i) to (4) {
    %sum = loop.for %j to 16 iter_args(%s = %zero) -> (f32) {
      %0 = buffer.load %x[%i, %j] : memref<4x16xf32> -> f32
      %1 = arith.addf %s, %0 : f32
      loop.yield %1 : f32
    }
    %2 = buffer.load %a[%i] : memref<4xf32> -> f32
    %3 = buffer.load %b[%i] : memref<4xf32> -> f32
    %4 = arith.mulf %2, %sum : f32
    %5 = arith.addf %4, %3 : f32
    buffer.store %4, %y[%i] : f32 to memref<4xf32>
    buffer.store %5, %z[%i] : f32 to memref<4xf32>
    loop.yield
  }
  kernel.return
}
