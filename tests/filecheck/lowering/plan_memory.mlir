// RUN: nnc-opt %s -p plan-memory --split-input-file --verify-diagnostics | filecheck %s

// %a and %c are never alive together and share their bytes; %b is between them. Sizes round up.

// CHECK-LABEL: func.func @main
// CHECK-SAME: %arena: memref<512xi8> {nnc.arena}
func.func @main(%x: memref<60xf32>, %arena: memref<0xi8> {nnc.arena}) {
  // CHECK: %a = buffer.view %arena[0] {nnc.live = array<i64: 1, 3>} : memref<512xi8> to memref<60xf32>
  %a = buffer.alloc : memref<60xf32>
  buffer.copy %x to %a : memref<60xf32> to memref<60xf32>
  // CHECK: %b = buffer.view %arena[256] {nnc.live = array<i64: 3, 5>}
  %b = buffer.alloc : memref<60xf32>
  buffer.copy %a to %b : memref<60xf32> to memref<60xf32>
  // CHECK: %c = buffer.view %arena[0] {nnc.live = array<i64: 5, 6>}
  %c = buffer.alloc : memref<60xf32>
  buffer.copy %b to %c : memref<60xf32> to memref<60xf32>
  buffer.copy %c to %x : memref<60xf32> to memref<60xf32>
  func.return
}

// -----

// What a loop reads lives as long as the loop, even if its last use comes early in the body; what
// the body allocates lives in the body. A view keeps its buffer alive.

// CHECK-LABEL: func.func @main
// CHECK-SAME: memref<192xi8>
func.func @main(%x: memref<16xf32>, %arena: memref<0xi8> {nnc.arena}) {
  // CHECK: %a = buffer.view %arena[0] {nnc.live = array<i64: 1, 10>}
  %a = buffer.alloc : memref<16xf32>
  buffer.copy %x to %a : memref<16xf32> to memref<16xf32>
  loop.for %t to 4 {
    // CHECK: %b = buffer.view %arena[64] {nnc.live = array<i64: 5, 9>}
    %v = buffer.view %a[0] : memref<16xf32> to memref<4x4xf32>
    %b = buffer.alloc : memref<4x4xf32>
    buffer.copy %v to %b : memref<4x4xf32> to memref<4x4xf32>
    // CHECK: %c = buffer.view %arena[128] {nnc.live = array<i64: 8, 8>}
    %w = buffer.view %b[0, 0] : memref<4x4xf32> to memref<16xf32>
    %c = buffer.alloc : memref<16xf32>
    buffer.copy %w to %c : memref<16xf32> to memref<16xf32>
    buffer.copy %w to %x : memref<16xf32> to memref<16xf32>
    loop.yield
  }
  func.return
}

// -----

// CHECK: plan-memory: @main has no arena argument; run bufferize first
func.func @main(%x: memref<4xf32>) {
  func.return
}
