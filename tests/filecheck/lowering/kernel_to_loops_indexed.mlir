// RUN: nnc-opt %s -p 'kernel-to-loops{target=sse2}' --split-input-file --verify-diagnostics | filecheck %s

// The index is held within the table, so that no access goes astray.

// CHECK-LABEL: kernel.func @gather
// CHECK-NEXT:    loop.parallel (%i, %j) to (5, 4) {
// CHECK-NEXT:      %[[N:.*]] = buffer.load %n[%i] : memref<5xi32> -> i32
// CHECK:           %[[LOW:.*]] = arith.maxsi %[[N]]
// CHECK:           %[[HELD:.*]] = arith.minsi %[[LOW]]
// CHECK-NEXT:      %[[AT:.*]] = arith.index_cast %[[HELD]] : i32 to index
// CHECK-NEXT:      %[[T:.*]] = buffer.load %t[%[[AT]], %j]
// CHECK-NEXT:      buffer.store %[[T]], %y[%i, %j]
kernel.func @gather(%t: memref<9x4xf32>, %n: memref<5xi32>, %y: memref<5x4xf32>) outs 1 strategy #kernel.strategy<indexed {}> {
  %0 = buffer.to_tensor %t : memref<9x4xf32> to tensor<9x4xf32>
  %1 = buffer.to_tensor %n : memref<5xi32> to tensor<5xi32>
  %2 = nn.gather %0, %1 {axis = 0, batch_dims = 0} : (tensor<9x4xf32>, tensor<5xi32>) -> tensor<5x4xf32>
  buffer.materialize %2 in %y : tensor<5x4xf32> in memref<5x4xf32>
  kernel.return
}

// -----

// Columns are independent; within one, zeros first, then the updates in their order.

// CHECK-LABEL: kernel.func @scatter_add
// CHECK:         loop.parallel (%i) to (4) {
// CHECK-NEXT:      loop.parallel (%j) to (9) {
// CHECK-NEXT:        buffer.store %{{.*}}, %y[%j, %i]
// CHECK:           loop.for %[[J:.*]] to 5 {
// CHECK:             %[[U:.*]] = buffer.load %u[%[[J]], %i]
// CHECK:             %[[AT:.*]] = arith.index_cast
// CHECK-NEXT:        %[[OLD:.*]] = buffer.load %y[%[[AT]], %i]
// CHECK-NEXT:        %[[NEW:.*]] = arith.addf %[[OLD]], %[[U]]
// CHECK-NEXT:        buffer.store %[[NEW]], %y[%[[AT]], %i]
kernel.func @scatter_add(%u: memref<5x4xf32>, %n: memref<5xi32>, %y: memref<9x4xf32>) outs 1 strategy #kernel.strategy<indexed {}> {
  %0 = buffer.to_tensor %u : memref<5x4xf32> to tensor<5x4xf32>
  %1 = buffer.to_tensor %n : memref<5xi32> to tensor<5xi32>
  %2 = nn.scatter_add %0, %1 {size = 9, axis = 0, batch_dims = 0} : (tensor<5x4xf32>, tensor<5xi32>) -> tensor<9x4xf32>
  buffer.materialize %2 in %y : tensor<9x4xf32> in memref<9x4xf32>
  kernel.return
}

// -----

// The value and its position go together; of floats, the first NaN wins.

// CHECK-LABEL: kernel.func @argmax(
// CHECK:         loop.parallel (%i) to (3) {
// CHECK:           %{{.*}}, %[[AT:.*]] = loop.for %j to 4 iter_args(%[[BEST:.*]] = %{{.*}}, %[[POSITION:.*]] = %{{.*}}) -> (f32, i32) {
// CHECK:             %[[X:.*]] = buffer.load %x[%i, %j]
// CHECK:             %[[J:.*]] = arith.index_cast %j
// CHECK-NEXT:        arith.cmpf ogt, %[[X]], %[[BEST]]
// CHECK-NEXT:        arith.cmpf une, %[[X]], %[[X]]
// CHECK:             arith.select %[[BETTER:.*]], %[[X]], %[[BEST]]
// CHECK-NEXT:        arith.select %[[BETTER]], %[[J]], %[[POSITION]]
// CHECK:           buffer.store %[[AT]], %y[%i] : i32
kernel.func @argmax(%x: memref<3x4xf32>, %y: memref<3xi32>) outs 1 strategy #kernel.strategy<indexed {}> {
  %0 = buffer.to_tensor %x : memref<3x4xf32> to tensor<3x4xf32>
  %1 = nn.argmax %0 {axis = 1} : tensor<3x4xf32> -> tensor<3xi32>
  buffer.materialize %1 in %y : tensor<3xi32> in memref<3xi32>
  kernel.return
}

// CHECK-LABEL: kernel.func @argmax_integers
// CHECK-NOT:     arith.cmpf
// CHECK:         arith.cmpi sgt
// CHECK-NOT:     arith.cmpi
kernel.func @argmax_integers(%x: memref<3x4xi32>, %y: memref<3xi32>) outs 1 strategy #kernel.strategy<indexed {}> {
  %0 = buffer.to_tensor %x : memref<3x4xi32> to tensor<3x4xi32>
  %1 = nn.argmax %0 {axis = 1} : tensor<3x4xi32> -> tensor<3xi32>
  buffer.materialize %1 in %y : tensor<3xi32> in memref<3xi32>
  kernel.return
}

// -----

// The sum so far is carried and stored; in reverse, subscripts run from the end.

// CHECK-LABEL: kernel.func @cumsum
// CHECK:         loop.for %j to 4 iter_args(%[[SUM:.*]] = %{{.*}}) -> (f32) {
// CHECK-NEXT:      %[[X:.*]] = buffer.load %x[%i, (%j * -1) + 3]
// CHECK-NEXT:      %[[NEXT:.*]] = arith.addf %[[SUM]], %[[X]]
// CHECK-NEXT:      buffer.store %[[NEXT]], %y[%i, (%j * -1) + 3]
// CHECK-NEXT:      loop.yield %[[NEXT]]
kernel.func @cumsum(%x: memref<3x4xf32>, %y: memref<3x4xf32>) outs 1 strategy #kernel.strategy<indexed {}> {
  %0 = buffer.to_tensor %x : memref<3x4xf32> to tensor<3x4xf32>
  %1 = nn.cumsum %0 {axis = 1, reverse} : tensor<3x4xf32>
  buffer.materialize %1 in %y : tensor<3x4xf32> in memref<3x4xf32>
  kernel.return
}

// -----

// Under each window: padding is not read, and a position that nobody wants is not stored.

// CHECK-LABEL: kernel.func @max_pool
// CHECK:         loop.parallel (%i, %j, %k, %l) to (2, 3, 3, 2) {
// CHECK:           %[[MAX:.*]], %{{.*}} = loop.for %m to 3
// CHECK-NEXT:        loop.for %n to 2
// CHECK-NEXT:          loop.when affine_set<{{.*}}(%i, %j, %k, %l, %m, %n) otherwise(
// CHECK-NEXT:            buffer.load %x[%i, %j, ((%k * 2) + %m) + -1, (%l * 2) + %n]
// CHECK:           buffer.store %[[MAX]], %y[%i, %j, %k, %l]
// CHECK-NOT:       buffer.store
kernel.func @max_pool(%x: memref<2x3x5x4xf32>, %y: memref<2x3x3x2xf32>) outs 1 strategy #kernel.strategy<indexed {}> {
  %0 = buffer.to_tensor %x : memref<2x3x5x4xf32> to tensor<2x3x5x4xf32>
  %1, %2 = nn.max_pool %0 {kernel = [3, 2], strides = [2, 2], low = [1, 0], high = [1, 0]} : (tensor<2x3x5x4xf32>) -> (tensor<2x3x3x2xf32>, tensor<2x3x3x2xi32>)
  buffer.materialize %1 in %y : tensor<2x3x3x2xf32> in memref<2x3x3x2xf32>
  kernel.return
}

// -----

// What no strategy can lower is an error that says where it is from.

// CHECK: kernel-to-loops: kernel @unknown: nn.concat (model.py:7) has no lowering: it is neither Structured nor Decomposes, and no strategy in lowering/strategies handles it
kernel.func @unknown(%x: memref<4xf32>, %y: memref<8xf32>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<4xf32> to tensor<4xf32>
  %1 = nn.concat %0, %0 {axis = 0} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32> loc("model.py":7:1)
  buffer.materialize %1 in %y : tensor<8xf32> in memref<8xf32>
  kernel.return
}

// -----

// CHECK: kernel-to-loops: kernel @misspelt has the unknown strategy 'sweep', expected attention, contraction, indexed or sweeps
kernel.func @misspelt(%x: memref<4xf32>, %y: memref<4xf32>) outs 1 strategy #kernel.strategy<sweep {}> {
  %0 = buffer.to_tensor %x : memref<4xf32> to tensor<4xf32>
  buffer.materialize %0 in %y : tensor<4xf32> in memref<4xf32>
  kernel.return
}
