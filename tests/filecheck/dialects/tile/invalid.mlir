// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

kernel.func @one_subscript_too_few(%x: memref<4x8xf32>) {
  // CHECK: tile.load: 1 subscripts for a buffer of rank 2
  %t = tile.load %x[0] along [0] : memref<4x8xf32> -> vector<4xf32>
  kernel.return
}

// -----

kernel.func @two_dimensions_along_one(%x: memref<4x8xf32>) {
  // CHECK: tile.load: a tile of rank 2 needs as many dims in along
  %t = tile.load %x[0, 0] along [0] : memref<4x8xf32> -> vector<4x8xf32>
  kernel.return
}

// -----

kernel.func @along_no_dimension(%x: memref<4x8xf32>, %t: vector<4xf32>) {
  // CHECK: tile.store: along must name dimensions of the buffer (rank 2)
  tile.store %t, %x[0, 0] along [2] : vector<4xf32> to memref<4x8xf32>
  kernel.return
}

// -----

kernel.func @extent_beyond_the_tile(%x: memref<4x8xf32>) {
  // CHECK: tile.load: the extent must be within 1 and the tile's shape (4,)
  %t = tile.load %x[0, 0] along [1] extent [5] : memref<4x8xf32> -> vector<4xf32>
  kernel.return
}

// -----

kernel.func @fill_with_another_type(%v: f64) {
  // CHECK: tile.fill: f64 does not fill vector<4xf32>
  %t = tile.fill %v : f64 -> vector<4xf32>
  kernel.return
}

// -----

kernel.func @broadcast_along_the_wrong_dimension(%v: vector<4xf32>) {
  // CHECK: tile.broadcast: 4 lanes do not fit dimension 0 of vector<8x4xf32>
  %t = tile.broadcast %v along [0] : vector<4xf32> -> vector<8x4xf32>
  kernel.return
}

// -----

kernel.func @outer_of_the_wrong_sizes(%c: vector<4xf32>, %r: vector<8xf32>, %a: vector<8x4xf32>) {
  // CHECK: tile.outer: a column of 8 and a row of 4 are expected, given ((4,), (8,))
  %t = tile.outer %c, %r, %a : vector<4xf32>, vector<8xf32> -> vector<8x4xf32>
  kernel.return
}

// -----

kernel.func @unknown_reduction(%v: vector<4xf32>) {
  // CHECK: tile.reduce: unknown kind 'mean', expected sum, prod, max or min
  %s = tile.reduce "mean" %v along [0] : vector<4xf32> -> f32
  kernel.return
}
