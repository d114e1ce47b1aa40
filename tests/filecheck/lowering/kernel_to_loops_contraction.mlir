// RUN: nnc-opt %s -p 'kernel-to-loops{target=sse2}' --split-input-file | filecheck %s

// Register tiles of 2 x 8, rows of %w read in place. Tails are tiles of their own: the fifth row,
// the last two lanes, and both. The bias is one vector, the same for each row of the tile.

// CHECK-LABEL: kernel.func private @dense_2x8(%row: memref<3x10xf32>, %column: memref<5x3xf32>, %b: memref<10xf32>, %y: memref<5x10xf32>)
// CHECK:         %sum = tile.fill %{{.*}} : f32 -> vector<2x8xf32>
// CHECK-NEXT:    %[[SUMS:.*]] = loop.for %i to 3 iter_args(%[[S:.*]] = %sum) -> (vector<2x8xf32>) {
// CHECK-NEXT:      %[[ROW:.*]] = tile.load %row[%i, 0] along [1] : memref<3x10xf32> -> vector<8xf32>
// CHECK-NEXT:      %[[COLUMN:.*]] = tile.load %column[0, %i] along [0] : memref<5x3xf32> -> vector<2xf32>
// CHECK-NEXT:      %[[N:.*]] = tile.outer %[[COLUMN]], %[[ROW]], %[[S]]
// CHECK-NEXT:      loop.yield %[[N]]
// CHECK:         %[[B:.*]] = tile.load %b[0] along [0] : memref<10xf32> -> vector<8xf32>
// CHECK-NEXT:    %[[BIAS:.*]] = tile.broadcast %[[B]] along [1] : vector<8xf32> -> vector<2x8xf32>
// CHECK-NEXT:    %[[Y:.*]] = arith.addf %[[SUMS]], %[[BIAS]]
// CHECK-NEXT:    tile.store %[[Y]], %y[0, 0] along [0, 1] : vector<2x8xf32>
// CHECK-NEXT:    kernel.return
// CHECK-LABEL: kernel.func private @dense_1x8
// CHECK:         tile.store %{{.*}}, %y[0, 0] along [0, 1] : vector<1x8xf32>
// CHECK-LABEL: kernel.func private @dense_2x2
// CHECK:         tile.load %row[%i, 0] along [1] extent [2] : memref<3x10xf32> -> vector<4xf32>
// CHECK:         tile.load %b[0] along [0] extent [2] : memref<10xf32> -> vector<4xf32>
// CHECK:         tile.store %{{.*}}, %y[0, 0] along [0, 1] extent [2, 2] : vector<2x4xf32>
// CHECK-LABEL: kernel.func private @dense_1x2
// CHECK:         tile.store %{{.*}}, %y[0, 0] along [0, 1] extent [1, 2] : vector<1x4xf32>
// CHECK-LABEL: kernel.func @dense(
// CHECK-NEXT:    loop.parallel (%i) to (2) {
// CHECK-NEXT:      kernel.call @dense_2x8(%w[0, 0], %x[%i * 2, 0], %b[0], %y[%i * 2, 0])
// CHECK:         kernel.call @dense_1x8(%w[0, 0], %x[4, 0], %b[0], %y[4, 0])
// CHECK-NEXT:    loop.parallel (%[[I:.*]]) to (2) {
// CHECK-NEXT:      kernel.call @dense_2x2(%w[0, 8], %x[%[[I]] * 2, 0], %b[8], %y[%[[I]] * 2, 8])
// CHECK:         kernel.call @dense_1x2(%w[0, 8], %x[4, 0], %b[8], %y[4, 8])
// CHECK-NOT:     kernel.call
kernel.func @dense(%x: memref<5x3xf32>, %w: memref<3x10xf32>, %b: memref<10xf32>, %y: memref<5x10xf32>) outs 1 strategy #kernel.strategy<contraction {tile = [2, 8], rows_dim = 0, lanes_dim = 1, row_operand = 1, packed = 0}> {
  %0 = buffer.to_tensor %x : memref<5x3xf32> to tensor<5x3xf32>
  %1 = buffer.to_tensor %w : memref<3x10xf32> to tensor<3x10xf32>
  %2 = buffer.to_tensor %b : memref<10xf32> to tensor<10xf32>
  %3 = nn.matmul %0, %1 : (tensor<5x3xf32>, tensor<3x10xf32>) -> tensor<5x10xf32>
  %4 = nn.broadcast %2 {dimensions = [1]} : tensor<10xf32> -> tensor<5x10xf32>
  %5 = nn.add %3, %4 : tensor<5x10xf32>
  buffer.materialize %5 in %y : tensor<5x10xf32> in memref<5x10xf32>
  kernel.return
}

// -----

// Packed by transposition, a square of native vectors at a time: the last two of six terms are half
// a square. The panel is scratch, filled once for all the tiles that read it.

// CHECK-LABEL: kernel.func private @transposed_pack_8(%source: memref<16x6xf32>, %panel: memref<6x8xf32>)
// CHECK-NEXT:    %[[A:.*]] = tile.load %source[0, 0] along [0, 1] : memref<16x6xf32> -> vector<4x4xf32>
// CHECK-NEXT:    %[[T:.*]] = tile.transpose %[[A]]
// CHECK-NEXT:    tile.store %[[T]], %panel[0, 0] along [0, 1]
// CHECK-NEXT:    tile.load %source[0, 4] along [0, 1] extent [4, 2]
// CHECK-NEXT:    tile.transpose
// CHECK-NEXT:    tile.store %{{.*}}, %panel[4, 0] along [0, 1] extent [2, 4]
// CHECK-NEXT:    tile.load %source[4, 0]
// CHECK:         tile.store %{{.*}}, %panel[0, 4]
// CHECK:         tile.store %{{.*}}, %panel[4, 4]
// CHECK-LABEL: kernel.func @transposed(
// CHECK-NEXT:    %panel = buffer.alloc : memref<6x8xf32>
// CHECK-NEXT:    loop.parallel (%i) to (2) {
// CHECK-NEXT:      kernel.call @transposed_pack_8(%w[%i * 8, 0], %panel[0, 0])
// CHECK-NEXT:      loop.parallel (%j) to (2) {
// CHECK-NEXT:        kernel.call @transposed_2x8(%panel[0, 0], %x[%j * 2, 0], %y[%j * 2, %i * 8])
kernel.func @transposed(%x: memref<4x6xf32>, %w: memref<16x6xf32>, %y: memref<4x16xf32>) outs 1 strategy #kernel.strategy<contraction {tile = [2, 8], rows_dim = 0, lanes_dim = 1, row_operand = 1, packed = 1}> {
  %0 = buffer.to_tensor %x : memref<4x6xf32> to tensor<4x6xf32>
  %1 = buffer.to_tensor %w : memref<16x6xf32> to tensor<16x6xf32>
  %2 = nn.matmul %0, %1 {transpose_rhs} : (tensor<4x6xf32>, tensor<16x6xf32>) -> tensor<4x16xf32>
  buffer.materialize %2 in %y : tensor<4x16xf32> in memref<4x16xf32>
  kernel.return
}

// -----

// Packed by copy, where lanes are neighbours already; each batch has panels of its own.

// CHECK-LABEL: kernel.func private @copied_pack_8
// CHECK-NEXT:    loop.parallel (%i) to (6) {
// CHECK-NEXT:      %[[V:.*]] = tile.load %source[0, %i, 0] along [2]
// CHECK-NEXT:      tile.store %[[V]], %panel[%i, 0] along [1]
// CHECK-LABEL: kernel.func @copied(
// CHECK:         loop.parallel (%i) to (2) {
// CHECK-NEXT:      kernel.call @copied_pack_8(%w[%i, 0, 0], %panel[0, 0])
// CHECK-NEXT:      loop.parallel (%j) to (2) {
// CHECK-NEXT:        kernel.call @copied_2x8(%panel[0, 0], %x[%i, %j * 2, 0], %y[%i, %j * 2, 0])
kernel.func @copied(%x: memref<2x4x6xf32>, %w: memref<2x6x8xf32>, %y: memref<2x4x8xf32>) outs 1 strategy #kernel.strategy<contraction {tile = [2, 8], rows_dim = 1, lanes_dim = 2, row_operand = 1, packed = 1}> {
  %0 = buffer.to_tensor %x : memref<2x4x6xf32> to tensor<2x4x6xf32>
  %1 = buffer.to_tensor %w : memref<2x6x8xf32> to tensor<2x6x8xf32>
  %2 = nn.matmul %0, %1 : (tensor<2x4x6xf32>, tensor<2x6x8xf32>) -> tensor<2x4x8xf32>
  buffer.materialize %2 in %y : tensor<2x4x8xf32> in memref<2x4x8xf32>
  kernel.return
}

// -----

// Batches that share a panel are cut into chunks, each of which packs it once: 18 batches, 6 chunks.

// CHECK-LABEL: kernel.func @shared(
// CHECK-NEXT:    %panel = buffer.alloc : memref<6x1x1x8xf32>
// CHECK-NEXT:    loop.parallel (%i) to (6) {
// CHECK-NEXT:      kernel.call @shared_pack_8(%k[0, 0, 0, 0], %panel[0, 0, 0, 0])
// CHECK-NEXT:      loop.parallel (%j, %[[H:.*]]) to (3, 3) {
// CHECK-NEXT:        loop.parallel (%[[W:.*]]) to (2) {
// CHECK-NEXT:          kernel.call @shared_2x8(%panel[0, 0, 0, 0], %x[(%i * 3) + %j, 0, %[[H]], %[[W]] * 2], %y[(%i * 3) + %j, 0, %[[H]], %[[W]] * 2])
kernel.func @shared(%x: memref<18x6x3x4xf32>, %k: memref<8x6x1x1xf32>, %y: memref<18x8x3x4xf32>) outs 1 strategy #kernel.strategy<contraction {tile = [2, 8], rows_dim = 3, lanes_dim = 1, row_operand = 1, packed = 1}> {
  %0 = buffer.to_tensor %x : memref<18x6x3x4xf32> to tensor<18x6x3x4xf32>
  %1 = buffer.to_tensor %k : memref<8x6x1x1xf32> to tensor<8x6x1x1xf32>
  %2 = nn.conv %0, %1 {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<18x6x3x4xf32>, tensor<8x6x1x1xf32>) -> tensor<18x8x3x4xf32>
  buffer.materialize %2 in %y : tensor<18x8x3x4xf32> in memref<18x8x3x4xf32>
  kernel.return
}

// -----

// Without rows a tile is one vector, and the column one number at a time.

// CHECK-LABEL: kernel.func private @depthwise_1x8
// CHECK:         %[[ROW:.*]] = tile.load %row[0, 0, 0, %i] along [3] : memref<2x3x4x10xf32> -> vector<8xf32>
// CHECK-NEXT:    %[[K:.*]] = buffer.load %column[0, 0, 0, %i]
// CHECK-NEXT:    %[[F:.*]] = tile.fill %[[K]] : f32 -> vector<8xf32>
// CHECK-NEXT:    math.fma %[[F]], %[[ROW]], %{{.*}} : vector<8xf32>
// CHECK:         tile.store %{{.*}}, %y[0, 0, 0, 0] along [3] : vector<8xf32>
// CHECK-LABEL: kernel.func @depthwise(
// CHECK-NEXT:    loop.parallel (%i, %j, %[[H:.*]]) to (2, 3, 4) {
// CHECK-NEXT:      kernel.call @depthwise_1x8(%x[%i, %j, %[[H]], 0], %k[%j, 0, 0, 0], %y[%i, %j, %[[H]], 0])
kernel.func @depthwise(%x: memref<2x3x4x10xf32>, %k: memref<3x1x1x3xf32>, %y: memref<2x3x4x8xf32>) outs 1 strategy #kernel.strategy<contraction {tile = [1, 8], rows_dim = -1, lanes_dim = 3, row_operand = 0, packed = 0}> {
  %0 = buffer.to_tensor %x : memref<2x3x4x10xf32> to tensor<2x3x4x10xf32>
  %1 = buffer.to_tensor %k : memref<3x1x1x3xf32> to tensor<3x1x1x3xf32>
  %2 = nn.conv %0, %1 {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 3} : (tensor<2x3x4x10xf32>, tensor<3x1x1x3xf32>) -> tensor<2x3x4x8xf32>
  buffer.materialize %2 in %y : tensor<2x3x4x8xf32> in memref<2x3x4x8xf32>
  kernel.return
}

// -----

// A convolution sums over channels and both sides of its window; lanes two apart are a strided view.

// CHECK-LABEL: kernel.func private @conv2d_2x4
// CHECK:         loop.for %i to 3
// CHECK-NEXT:      loop.for %j to 3
// CHECK-NEXT:        loop.for %k to 3
// CHECK-NEXT:          %[[V:.*]] = buffer.view %row[0, %i, %j, %k] : memref<2x3x9x9xf32> to memref<4xf32, strided<[2]>>
// CHECK-NEXT:          tile.load %[[V]][0] along [0]
// CHECK-NEXT:          tile.load %column[0, %i, %j, %k] along [0]
// CHECK-NEXT:          tile.outer
// CHECK-LABEL: kernel.func @conv2d(
// CHECK-NEXT:    loop.parallel (%i, %j) to (2, 4) {
// CHECK-NEXT:      loop.parallel (%[[O:.*]]) to (2) {
// CHECK-NEXT:        kernel.call @conv2d_2x4(%x[%i, 0, %j * 2, 0], %k[%[[O]] * 2, 0, 0, 0], %y[%i, %[[O]] * 2, %j, 0])
kernel.func @conv2d(%x: memref<2x3x9x9xf32>, %k: memref<4x3x3x3xf32>, %y: memref<2x4x4x4xf32>) outs 1 strategy #kernel.strategy<contraction {tile = [2, 4], rows_dim = 1, lanes_dim = 3, row_operand = 0, packed = 0}> {
  %0 = buffer.to_tensor %x : memref<2x3x9x9xf32> to tensor<2x3x9x9xf32>
  %1 = buffer.to_tensor %k : memref<4x3x3x3xf32> to tensor<4x3x3x3xf32>
  %2 = nn.conv %0, %1 {strides = [2, 2], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<2x3x9x9xf32>, tensor<4x3x3x3xf32>) -> tensor<2x4x4x4xf32>
  buffer.materialize %2 in %y : tensor<2x4x4x4xf32> in memref<2x4x4x4xf32>
  kernel.return
}

// -----

// What a tile reads at its own elements and writes in place is one part; two results are two stores.

// CHECK-LABEL: kernel.func private @residual_2x8(%row: memref<3x8xf32>, %column: memref<2x3xf32>, %r: memref<2x8xf32>, %z: memref<2x8xf32>)
// CHECK:         %[[R:.*]] = tile.load %r[0, 0] along [0, 1]
// CHECK-NEXT:    %[[Y:.*]] = arith.addf %{{.*}}, %[[R]]
// CHECK-NEXT:    %[[Z:.*]] = math.absf %[[Y]]
// CHECK-NEXT:    tile.store %[[Z]], %z[0, 0]
// CHECK-NEXT:    tile.store %[[Y]], %r[0, 0]
// CHECK-LABEL: kernel.func @residual(
// CHECK-NEXT:    kernel.call @residual_2x8(%w[0, 0], %x[0, 0], %r[0, 0], %z[0, 0])
kernel.func @residual(%x: memref<2x3xf32>, %w: memref<3x8xf32>, %z: memref<2x8xf32>, %r: memref<2x8xf32>) outs 1 inouts 1 strategy #kernel.strategy<contraction {tile = [2, 8], rows_dim = 0, lanes_dim = 1, row_operand = 1, packed = 0}> {
  %0 = buffer.to_tensor %x : memref<2x3xf32> to tensor<2x3xf32>
  %1 = buffer.to_tensor %w : memref<3x8xf32> to tensor<3x8xf32>
  %2 = buffer.to_tensor %r : memref<2x8xf32> to tensor<2x8xf32>
  %3 = nn.matmul %0, %1 : (tensor<2x3xf32>, tensor<3x8xf32>) -> tensor<2x8xf32>
  %4 = nn.add %3, %2 : tensor<2x8xf32>
  %5 = nn.abs %4 : tensor<2x8xf32>
  buffer.materialize %5 in %z : tensor<2x8xf32> in memref<2x8xf32>
  buffer.materialize %4 in %r : tensor<2x8xf32> in memref<2x8xf32>
  kernel.return
}
