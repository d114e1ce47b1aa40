// RUN: nnc-opt %s -p expand-math | filecheck %s

// CHECK-LABEL: kernel.func @tile
kernel.func @tile(%x: memref<32xf32>) {
  %t = tile.load %x[0] along [0] : memref<32xf32> -> vector<32xf32>
  // CHECK-NOT: math.exp
  // CHECK: %[[N:.*]] = math.fma %{{.*}}, %{{.*}}, %{{.*}} : vector<32xf32>
  // CHECK: arith.bitcast %[[N]] : vector<32xf32> to vector<32xi32>
  %e = math.exp %t : vector<32xf32>
  // CHECK: tile.store
  tile.store %e, %x[0] along [0] : vector<32xf32> to memref<32xf32>
  kernel.return
}

// CHECK-LABEL: kernel.func @scalar
kernel.func @scalar(%x: memref<1xf32>) {
  %s = buffer.load %x[0] : memref<1xf32> -> f32
  // CHECK-NOT: math.tanh
  // CHECK: arith.divf %{{.*}}, %{{.*}} : f32
  %t = math.tanh %s : f32
  buffer.store %t, %x[0] : f32 to memref<1xf32>
  kernel.return
}

// What is one instruction stays, and so does f64.
// CHECK-LABEL: kernel.func @left
kernel.func @left(%x: f32, %y: f64) {
  // CHECK-NEXT: math.sqrt %x : f32
  %a = math.sqrt %x : f32
  // CHECK-NEXT: math.rsqrt %x : f32
  %b = math.rsqrt %x : f32
  // CHECK-NEXT: math.exp %y : f64
  %c = math.exp %y : f64
  // CHECK-NEXT: kernel.return
  kernel.return
}
