// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: arith.select: expected scalars, or vectors of one shape, given vector<4xi1>, vector<8xf32>
func.func @mask(%m: vector<4xi1>, %x: vector<8xf32>) {
  %s = arith.select %m, %x, %x : vector<4xi1>, vector<8xf32>
  func.return
}

// -----

// CHECK: arith.sitofp: expected scalars, or vectors of one shape, given i32, vector<8xf32>
func.func @shape(%i: i32) {
  %f = arith.sitofp %i : i32 to vector<8xf32>
  func.return
}
