// RUN: nnc-opt %s -p 'nn-decompose,kernel-to-loops{target=sse2},cse' --split-input-file | filecheck %s
// RUN: nnc-opt %s -p 'nn-decompose,kernel-to-loops{target=sse2},loop-tile{target=sse2},cse,dce' --split-input-file | filecheck %s --check-prefix TILED

// Half precision is for memory: computed in f32, rounded where it is stored, and where a cast asks for it.

// CHECK-LABEL: kernel.func @halves
// CHECK:         %[[L:.*]] = buffer.load %[[X:.*]][%i] : memref<51xbf16> -> bf16
// CHECK-NEXT:    %[[X:.*]] = arith.extf %[[L]] : bf16 to f32
// CHECK-NEXT:    %[[P:.*]] = arith.mulf %[[X]], %[[X]]
// CHECK-NEXT:    %[[H:.*]] = arith.truncf %[[P]] {{.*}}: f32 to f16
// CHECK-NEXT:    %[[R:.*]] = arith.extf %[[H]] {{.*}}: f16 to f32
// CHECK-NEXT:    %[[S:.*]] = arith.addf %[[R]], %[[R]]
// CHECK-NEXT:    %[[T:.*]] = arith.truncf %[[S]] {{.*}}: f32 to f16
// CHECK-NEXT:    buffer.store %[[T]]
// TILED-LABEL: kernel.func @halves
// TILED:         %[[L:.*]] = tile.load {{.*}} : memref<51xbf16> -> vector<16xbf16>
// TILED-NEXT:    arith.extf %[[L]] : vector<16xbf16> to vector<16xf32>
// TILED:         %[[S:.*]] = arith.addf {{.*}} : vector<16xf32>
// TILED-NEXT:    %[[T:.*]] = arith.truncf %[[S]] {{.*}}: vector<16xf32> to vector<16xf16>
// TILED-NEXT:    tile.store %[[T]]
kernel.func @halves(%x: memref<3x17xbf16>, %y: memref<3x17xf16>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3x17xbf16> to tensor<3x17xbf16>
  %1 = nn.mul %0, %0 : tensor<3x17xbf16>
  %2 = nn.cast %1 to f16 : tensor<3x17xbf16> -> tensor<3x17xf16>
  %3 = nn.add %2, %2 : tensor<3x17xf16>
  buffer.materialize %3 in %y : tensor<3x17xf16> in memref<3x17xf16>
  kernel.return
}

// -----

// What is only moved is not converted.

// CHECK-LABEL: kernel.func @moved
// CHECK:         %[[V:.*]] = buffer.load
// CHECK:         buffer.store %[[V]]
kernel.func @moved(%x: memref<3x17xf16>, %y: memref<17x3xf16>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3x17xf16> to tensor<3x17xf16>
  %1 = nn.transpose %0 {permutation = [1, 0]} : tensor<3x17xf16> -> tensor<17x3xf16>
  buffer.materialize %1 in %y : tensor<17x3xf16> in memref<17x3xf16>
  kernel.return
}

// -----

// Bytes wrap around where they are computed, not only where they are stored.

// CHECK-LABEL: kernel.func @bytes
// CHECK:         %[[X:.*]] = arith.extui %{{.*}} : ui8 to i32
// CHECK-NEXT:    %[[S:.*]] = arith.addi %[[X]], %[[X]] : i32
// CHECK-NEXT:    %[[L:.*]] = arith.trunci %[[S]] : i32 to ui8
// CHECK-NEXT:    %[[W:.*]] = arith.extui %[[L]] : ui8 to i32
// CHECK-NEXT:    arith.cmpi slt, %[[W]], %[[X]] : i32
kernel.func @bytes(%x: memref<3x17xui8>, %y: memref<3x17xi1>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3x17xui8> to tensor<3x17xui8>
  %1 = nn.add %0, %0 : tensor<3x17xui8>
  %2 = nn.compare lt %1, %0 : tensor<3x17xui8> -> tensor<3x17xi1>
  buffer.materialize %2 in %y : tensor<3x17xi1> in memref<3x17xi1>
  kernel.return
}

// -----

// A sum of f16 is one of f32, and so is what a later sweep needs of it.

// CHECK-LABEL: kernel.func @sums
// CHECK:         buffer.alloc : memref<1000xf32>
// CHECK:         loop.for {{.*}} -> (f32)
kernel.func @sums(%x: memref<3x1000xf16>, %y: memref<3x1000xf16>) outs 1 strategy #kernel.strategy<sweeps {}> {
  %0 = buffer.to_tensor %x : memref<3x1000xf16> to tensor<3x1000xf16>
  %1 = nn.softmax %0 {axis = 1} : tensor<3x1000xf16>
  buffer.materialize %1 in %y : tensor<3x1000xf16> in memref<3x1000xf16>
  kernel.return
}
