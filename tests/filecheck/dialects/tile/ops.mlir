// RUN: %roundtrip

// CHECK-LABEL: kernel.func @tiles
kernel.func @tiles(%x: memref<64x384xf32>, %y: memref<64x384xf32>) {
  %zero = arith.constant 0.0 : f32
  // CHECK: %tile = tile.fill %zero : f32 -> vector<6x64xf32>
  %tile = tile.fill %zero : f32 -> vector<6x64xf32>
  loop.for %k to 4 {
    // CHECK: %column = tile.load %x[0, %k] along [0] : memref<64x384xf32> -> vector<6xf32>
    %column = tile.load %x[0, %k] along [0] : memref<64x384xf32> -> vector<6xf32>
    // CHECK-NEXT: %row = tile.load %x[%k, 0] along [1] extent [50] : memref<64x384xf32> -> vector<64xf32>
    %row = tile.load %x[%k, 0] along [1] extent [50] : memref<64x384xf32> -> vector<64xf32>
    // CHECK-NEXT: %next = tile.outer %column, %row, %tile : vector<6xf32>, vector<64xf32> -> vector<6x64xf32>
    %next = tile.outer %column, %row, %tile : vector<6xf32>, vector<64xf32> -> vector<6x64xf32>
    // CHECK-NEXT: %rows = tile.broadcast %row along [1] : vector<64xf32> -> vector<6x64xf32>
    %rows = tile.broadcast %row along [1] : vector<64xf32> -> vector<6x64xf32>
    // CHECK-NEXT: %sums = tile.reduce "sum" %rows along [1] : vector<6x64xf32> -> vector<6xf32>
    %sums = tile.reduce "sum" %rows along [1] : vector<6x64xf32> -> vector<6xf32>
    // CHECK-NEXT: %max = tile.reduce "max" %sums along [0] : vector<6xf32> -> f32
    %max = tile.reduce "max" %sums along [0] : vector<6xf32> -> f32
    // CHECK-NEXT: %turned = tile.transpose %next : vector<6x64xf32> -> vector<64x6xf32>
    %turned = tile.transpose %next : vector<6x64xf32> -> vector<64x6xf32>
    // CHECK-NEXT: %lanes = tile.lanes : vector<16xi32>
    %lanes = tile.lanes : vector<16xi32>
    // CHECK-NEXT: tile.store %next, %y[%k * 6, 0] along [0, 1] : vector<6x64xf32> to memref<64x384xf32>
    tile.store %next, %y[6 * %k, 0] along [0, 1] : vector<6x64xf32> to memref<64x384xf32>
    // CHECK-NEXT: tile.store %next, %y[0, 0] along [0, 1] extent [4, 50] : vector<6x64xf32> to memref<64x384xf32>
    tile.store %next, %y[0, 0] along [0, 1] extent [4, 50] : vector<6x64xf32> to memref<64x384xf32>
    loop.yield
  }
  kernel.return
}
