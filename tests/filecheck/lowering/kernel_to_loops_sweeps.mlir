// RUN: nnc-opt %s -p 'nn-decompose,kernel-to-loops{target=sse2}' --split-input-file | filecheck %s

// Elementwise on buffers without gaps: one long dimension, a scalar operand as it is.

// CHECK-LABEL: kernel.func @flat
// CHECK-NEXT:    %[[X:.*]] = buffer.view %x[0, 0] : memref<3x4xf32> to memref<12xf32>
// CHECK-NEXT:    %[[Y:.*]] = buffer.view %y[0, 0] : memref<3x4xf32> to memref<12xf32>
// CHECK-NEXT:    loop.parallel (%i) to (12) {
// CHECK-NEXT:      %[[A:.*]] = buffer.load %[[X]][%i]
// CHECK-NEXT:      %[[S:.*]] = buffer.load %s[]
// CHECK-NEXT:      %[[P:.*]] = arith.mulf %[[A]], %[[S]]
// CHECK-NEXT:      buffer.store %[[P]], %[[Y]][%i]
kernel.func @flat(%x: memref<3x4xf32>, %s: memref<f32>, %y: memref<3x4xf32>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3x4xf32> to tensor<3x4xf32>
  %1 = buffer.to_tensor %s : memref<f32> to tensor<f32>
  %2 = nn.broadcast %1 {dimensions = []} : tensor<f32> -> tensor<3x4xf32>
  %3 = nn.mul %0, %2 : tensor<3x4xf32>
  buffer.materialize %3 in %y : tensor<3x4xf32> in memref<3x4xf32>
  kernel.return
}

// -----

// Not flat: a row of %b for every row of %x. Nor into the interior of a larger buffer.

// CHECK-LABEL: kernel.func @broadcast
// CHECK-NEXT:    loop.parallel (%i, %j) to (3, 4) {
// CHECK-NEXT:      buffer.load %x[%i, %j]
// CHECK-NEXT:      buffer.load %b[%j]
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      buffer.store %{{.*}}, %y[%i, %j]
kernel.func @broadcast(%x: memref<3x4xf32>, %b: memref<4xf32>, %y: memref<3x4xf32>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3x4xf32> to tensor<3x4xf32>
  %1 = buffer.to_tensor %b : memref<4xf32> to tensor<4xf32>
  %2 = nn.broadcast %1 {dimensions = [1]} : tensor<4xf32> -> tensor<3x4xf32>
  %3 = nn.add %0, %2 : tensor<3x4xf32>
  buffer.materialize %3 in %y : tensor<3x4xf32> in memref<3x4xf32>
  kernel.return
}

// CHECK-LABEL: kernel.func @interior
// CHECK-NEXT:    loop.parallel (%i, %j) to (3, 4) {
// CHECK:           buffer.store %{{.*}}, %y[%i, %j] : f32 to memref<3x4xf32, strided<[6, 1]>>
kernel.func @interior(%x: memref<3x4xf32>, %y: memref<3x4xf32, strided<[6, 1]>>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3x4xf32> to tensor<3x4xf32>
  %1 = nn.abs %0 : tensor<3x4xf32>
  buffer.materialize %1 in %y : tensor<3x4xf32> in memref<3x4xf32, strided<[6, 1]>>
  kernel.return
}

// -----

// A row in three sweeps. The exponentials are kept from the second to the third, since they cost
// more than memory; the difference is cheap and would be computed again.

// CHECK-LABEL: kernel.func @softmax
// CHECK-NEXT:    %[[ROW:.*]] = buffer.alloc : memref<4xf32>
// CHECK-NEXT:    loop.parallel (%i) to (3) {
// CHECK:           %[[MAX:.*]] = loop.for %j to 4
// CHECK-NEXT:        buffer.load %x[%i, %j]
// CHECK-NEXT:        arith.maximumf
// CHECK:           %[[SUM:.*]] = loop.for %[[J:.*]] to 4
// CHECK-NEXT:        %[[X:.*]] = buffer.load %x[%i, %[[J]]]
// CHECK-NEXT:        %[[D:.*]] = arith.subf %[[X]], %[[MAX]]
// CHECK-NEXT:        %[[E:.*]] = math.exp %[[D]]
// CHECK-NEXT:        buffer.store %[[E]], %[[ROW]][%[[J]]]
// CHECK-NEXT:        arith.addf %{{.*}}, %[[E]]
// CHECK:           loop.parallel (%[[K:.*]]) to (4) {
// CHECK-NEXT:        buffer.load %[[ROW]][%[[K]]]
// CHECK-NOT:         math.exp
// CHECK:             buffer.store %{{.*}}, %y[%i, %[[K]]]
kernel.func @softmax(%x: memref<3x4xf32>, %y: memref<3x4xf32>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3x4xf32> to tensor<3x4xf32>
  %1 = nn.softmax %0 {axis = 1} : tensor<3x4xf32>
  buffer.materialize %1 in %y : tensor<3x4xf32> in memref<3x4xf32>
  kernel.return
}

// -----

// Nothing costly is needed twice: no scratch, the cheap difference is there in both sweeps.

// CHECK-LABEL: kernel.func @centered
// CHECK-NOT:     buffer.alloc
// CHECK:         loop.parallel (%i) to (3) {
// CHECK:           %[[MEAN:.*]] = arith.divf
// CHECK:           loop.for
// CHECK:             arith.subf %{{.*}}, %[[MEAN]]
// CHECK:           loop.parallel
// CHECK:             arith.subf %{{.*}}, %[[MEAN]]
kernel.func @centered(%x: memref<3x4xf32>, %y: memref<3x4xf32>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3x4xf32> to tensor<3x4xf32>
  %1 = nn.reduce mean %0 {axes = [1]} : tensor<3x4xf32> -> tensor<3xf32>
  %2 = nn.broadcast %1 {dimensions = [0]} : tensor<3xf32> -> tensor<3x4xf32>
  %3 = nn.sub %0, %2 : tensor<3x4xf32>
  %4 = nn.reduce sum %3 {axes = [1]} : tensor<3x4xf32> -> tensor<3xf32>
  %5 = nn.broadcast %4 {dimensions = [0]} : tensor<3xf32> -> tensor<3x4xf32>
  %6 = nn.add %3, %5 : tensor<3x4xf32>
  buffer.materialize %6 in %y : tensor<3x4xf32> in memref<3x4xf32>
  kernel.return
}

// -----

// A single row has nothing outside of it to run in parallel. Its last sweep may, so what that needs
// of the sweeps before is in memory.

// CHECK-LABEL: kernel.func @one_row
// CHECK:         %[[SUM:.*]] = loop.for
// CHECK:         %[[PLACE:.*]] = buffer.alloc : memref<f32>
// CHECK-NEXT:    buffer.store %[[SUM]], %[[PLACE]][]
// CHECK-NEXT:    %[[SHARED:.*]] = buffer.load %[[PLACE]][]
// CHECK-NEXT:    loop.parallel (%{{.*}}) to (4) {
// CHECK-NOT:       %[[SUM]]
// CHECK:           arith.divf %{{.*}}, %[[SHARED]]
kernel.func @one_row(%x: memref<1x4xf32>, %y: memref<1x4xf32>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<1x4xf32> to tensor<1x4xf32>
  %1 = nn.reduce sum %0 {axes = [1]} : tensor<1x4xf32> -> tensor<1xf32>
  %2 = nn.broadcast %1 {dimensions = [0]} : tensor<1xf32> -> tensor<1x4xf32>
  %3 = nn.div %0, %2 : tensor<1x4xf32>
  buffer.materialize %3 in %y : tensor<1x4xf32> in memref<1x4xf32>
  kernel.return
}

// -----

// Columns: the loop that adds is inside, so that lanes can lie along the columns.

// CHECK-LABEL: kernel.func @columns
// CHECK-NEXT:    loop.parallel (%i) to (4) {
// CHECK:           %[[SUM:.*]] = loop.for %j to 3
// CHECK-NEXT:        buffer.load %x[%j, %i]
// CHECK:           %[[MEAN:.*]] = arith.divf %[[SUM]]
// CHECK-NEXT:      buffer.store %[[MEAN]], %y[%i]
kernel.func @columns(%x: memref<3x4xf32>, %y: memref<4xf32>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3x4xf32> to tensor<3x4xf32>
  %1 = nn.reduce mean %0 {axes = [0]} : tensor<3x4xf32> -> tensor<4xf32>
  buffer.materialize %1 in %y : tensor<4xf32> in memref<4xf32>
  kernel.return
}

// -----

// Everything to one number: no parallel loop at all.

// CHECK-LABEL: kernel.func @everything
// CHECK-NOT:     loop.parallel
// CHECK:         %[[MAX:.*]] = loop.for %i to 3
// CHECK-NEXT:      loop.for %j to 4
// CHECK-NEXT:        %[[X:.*]] = buffer.load %x[%i, %j]
// CHECK-NEXT:        arith.mulf %[[X]], %[[X]]
// CHECK-NEXT:        arith.maximumf
// CHECK:         buffer.store %[[MAX]], %y[]
kernel.func @everything(%x: memref<3x4xf32>, %y: memref<f32>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3x4xf32> to tensor<3x4xf32>
  %1 = nn.mul %0, %0 : tensor<3x4xf32>
  %2 = nn.reduce max %1 {axes = [0, 1]} : tensor<3x4xf32> -> tensor<f32>
  buffer.materialize %2 in %y : tensor<f32> in memref<f32>
  kernel.return
}

// -----

// A window reduces at its point; only the padded side has a guard, outside of which it reads zero.

// CHECK-LABEL: kernel.func @window
// CHECK-NEXT:    loop.parallel (%i, %j) to (3, 2) {
// CHECK:           loop.for %k to 3
// CHECK-NEXT:        loop.for %l to 2
// CHECK:               %[[ZERO:.*]] = arith.constant 0.000000e+00
// CHECK-NEXT:          loop.when affine_set<{{.*}} : ((((d0 * 2) + d2) + -1) >= 0, (((d0 * 2) + d2) + -5) <= 0)>(%i, %j, %k, %l) otherwise(%[[ZERO]] : f32)
// CHECK-NEXT:            buffer.load %x[0, 0, ((%i * 2) + %k) + -1, (%j * 2) + %l]
// CHECK:           arith.divf
// CHECK-NEXT:      buffer.store %{{.*}}, %y[0, 0, %i, %j]
kernel.func @window(%x: memref<1x1x5x5xf32>, %y: memref<1x1x3x2xf32>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<1x1x5x5xf32> to tensor<1x1x5x5xf32>
  %1 = nn.avg_pool %0 {kernel = [3, 2], strides = [2, 2], low = [1, 0], high = [1, 0], count_include_pad} : (tensor<1x1x5x5xf32>) -> tensor<1x1x3x2xf32>
  buffer.materialize %1 in %y : tensor<1x1x3x2xf32> in memref<1x1x3x2xf32>
  kernel.return
}

// -----

// Nothing reduces: a result of rows is stored once for each, after what the row is repeated to.

// CHECK-LABEL: kernel.func @repeated
// CHECK-NEXT:    loop.parallel (%i) to (3) {
// CHECK-NEXT:      loop.parallel (%j) to (4) {
// CHECK:             buffer.store %{{.*}}, %y[%i, %j]
// CHECK:           buffer.store %{{.*}}, %z[%i]
kernel.func @repeated(%x: memref<3xf32>, %y: memref<3x4xf32>, %z: memref<3xf32>) outs 2 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3xf32> to tensor<3xf32>
  %1 = nn.neg %0 : tensor<3xf32>
  %2 = nn.broadcast %1 {dimensions = [0]} : tensor<3xf32> -> tensor<3x4xf32>
  %3 = nn.mul %2, %2 : tensor<3x4xf32>
  %4 = nn.exp %1 : tensor<3xf32>
  buffer.materialize %3 in %y : tensor<3x4xf32> in memref<3x4xf32>
  buffer.materialize %4 in %z : tensor<3xf32> in memref<3xf32>
  kernel.return
}
