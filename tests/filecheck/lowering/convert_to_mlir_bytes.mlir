// RUN: nnc-opt %s -p convert-to-mlir | filecheck %s

// Bytes have no sign in MLIR's types: what extends them says how.
// CHECK-LABEL: func.func @bytes(
// CHECK-SAME:    memref<40xi8, strided<[1], offset: ?>>
kernel.func @bytes(%b: memref<40xui8>) inouts 1 {
  loop.parallel (%i) to (40) {
    // CHECK: %[[B:.*]] = memref.load
    %0 = buffer.load %b[%i] : memref<40xui8> -> ui8
    // CHECK: %[[W:.*]] = arith.extui %[[B]] : i8 to i32
    %1 = arith.extui %0 : ui8 to i32
    // CHECK: arith.trunci %[[W]] : i32 to i8
    %2 = arith.trunci %1 : i32 to ui8
    buffer.store %2, %b[%i] : ui8 to memref<40xui8>
    loop.yield
  }
  kernel.return
}

// CHECK-LABEL: func.func @main(
func.func @main(%arena: memref<64xi8> {nnc.arena}) {
  // CHECK: memref.view %{{.*}} : memref<64xi8> to memref<40xi8>
  %b = buffer.view %arena[16] : memref<64xi8> to memref<40xui8>
  // CHECK: arith.constant 200 : i8
  buffer.fill %b with 200 : ui8 : memref<40xui8>
  kernel.launch @bytes inouts(%b : memref<40xui8>)
  func.return
}
