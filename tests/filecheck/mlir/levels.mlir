// RUN: nnc-opt %s -p convert-to-mlir --print-op-generic | %mlir-opt | filecheck %s
// REQUIRES: mlir-opt

// CHECK-LABEL: func.func @loops(
// CHECK-SAME: memref<4x8xf32, strided<[8, 1], offset: ?>>
kernel.func @loops(%x: memref<4x8xf32>) {
  %zero = arith.constant 0.0 : f32
  // CHECK: scf.parallel
  loop.parallel (%i) to (4) mapping [threads] {
    // CHECK: scf.for {{.*}} iter_args({{.*}}) -> (f32) {
    %sum = loop.for %j to 8 iter_args(%a = %zero) -> (f32) {
      // CHECK: memref.load
      %e = buffer.load %x[%i, %j] : memref<4x8xf32> -> f32
      %n = arith.addf %a, %e : f32
      // CHECK: scf.yield
      loop.yield %n : f32
    }
    // CHECK: arith.cmpi sge
    // CHECK: scf.if {{.*}} -> (f32) {
    %v = loop.when affine_set<(d0) : (d0 - 1 >= 0)>(%i) otherwise(%zero : f32) -> f32 {
      loop.yield %sum : f32
    }
    // CHECK: memref.store
    buffer.store %v, %x[%i, 0] : f32 to memref<4x8xf32>
    loop.yield
  }
  // CHECK: return
  kernel.return
}

// A tile is one transfer; lanes beyond the extent are out of bounds.
// CHECK-LABEL: func.func private @tiles(
kernel.func private @tiles(%x: memref<6x20xf32>, %w: memref<20x16xf32>) {
  // CHECK: vector.transfer_read {{.*}} : memref<6xf32, strided<[20], offset: ?>>, vector<6xf32>
  %column = tile.load %x[0, 3] along [0] : memref<6x20xf32> -> vector<6xf32>
  // CHECK: vector.transfer_read {{.*}} : memref<10xf32, strided<[1], offset: ?>>, vector<16xf32>
  %row = tile.load %w[3, 0] along [1] extent [10] : memref<20x16xf32> -> vector<16xf32>
  %zero = arith.constant 0.0 : f32
  // CHECK: vector.broadcast {{.*}} : f32 to vector<6x16xf32>
  %start = tile.fill %zero : f32 -> vector<6x16xf32>
  // CHECK: vector.transpose {{.*}} : vector<16x6xf32> to vector<6x16xf32>
  // CHECK: math.fma
  %tile = tile.outer %column, %row, %start : vector<6xf32>, vector<16xf32> -> vector<6x16xf32>
  // CHECK: vector.multi_reduction <add>
  %sums = tile.reduce "sum" %tile along [1] : vector<6x16xf32> -> vector<6xf32>
  // CHECK: vector.reduction <maximumf>
  %max = tile.reduce "max" %sums along [0] : vector<6xf32> -> f32
  // CHECK: dense<[0, 1, 2, 3]>
  %lanes = tile.lanes : vector<4xi32>
  // CHECK: vector.transfer_write {{.*}} : vector<6x16xf32>, memref<6x16xf32, strided<[16, 1], offset: ?>>
  tile.store %tile, %w[0, 0] along [0, 1] : vector<6x16xf32> to memref<20x16xf32>
  kernel.return
}

// CHECK-LABEL: func.func @main(
func.func @main(%arena: memref<1024xi8> {nnc.arena}, %y: memref<6x20xf32>, %w: memref<20x16xf32>) {
  // CHECK: memref.view %{{.*}}[%{{.*}}][] : memref<1024xi8> to memref<4x8xf32>
  %x = buffer.view %arena[64] : memref<1024xi8> to memref<4x8xf32>
  // CHECK: scf.parallel
  buffer.fill %x with 1.0 : f32 : memref<4x8xf32>
  // CHECK: call @loops
  kernel.launch @loops ins(%x : memref<4x8xf32>)
  // CHECK: call @tiles
  kernel.launch @tiles ins(%y, %w : memref<6x20xf32>, memref<20x16xf32>)
  func.return
}
