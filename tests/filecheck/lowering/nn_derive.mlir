// RUN: nnc-opt %s -p 'nn-layout,nn-canonicalize,nn-derive{target=avx512}' --split-input-file | filecheck %s
// RUN: nnc-opt %s -p 'infer-avx2' --split-input-file | filecheck %s --check-prefix LOOPS

// What depends on parameters alone is made by @prepare. A weight that its products would copy is
// read as panels of 64 columns, zeros behind the last.

// CHECK-LABEL: func.func @main
// CHECK-SAME: tensor<2x256x64xf32> {nnc.name = "d.weight:derived0", nnc.role = "parameter", nnc.derived = ["d.weight"]}
// CHECK-SAME: tensor<100xf32> {nnc.name = "gamma:derived1", nnc.role = "parameter", nnc.derived = ["gamma"]}
// CHECK: %z = nn.packed_matmul %x, %d_weight_derived0 {columns = 100} : (tensor<64x256xf32>, tensor<2x256x64xf32>) -> tensor<64x100xf32>
// CHECK-NOT: nn.rsqrt
// CHECK: func.func @prepare(%w: tensor<256x100xf32> {nnc.name = "d.weight", nnc.role = "parameter", nnc.layout = array<i64: 1, 0>}, %g: tensor<100xf32>
// CHECK-SAME: nnc.outputs = ["d.weight:derived0", "gamma:derived1"]
// CHECK-NEXT: %[[PADDED:.*]] = nn.pad %w {low = [0, 0], high = [0, 28], value = 0.000000e+00}
// CHECK-NEXT: %[[CUT:.*]] = nn.reshape %[[PADDED]] : tensor<256x128xf32> -> tensor<256x2x64xf32>
// CHECK-NEXT: %[[PANELS:.*]] = nn.transpose %[[CUT]] {permutation = [1, 0, 2]}
// CHECK-NEXT: %r = nn.rsqrt %g
// CHECK-NEXT: func.return %[[PANELS]], %r

// Panels of 16 columns are whole but the last; a tile starts in one, and nothing is packed.

// LOOPS-LABEL: kernel.func @dense
// LOOPS-SAME: packed = 0
// LOOPS: loop.parallel (%[[PANEL:.*]]) to (6)
// LOOPS: kernel.call @{{.*}}(%{{.*}}[%[[PANEL]], 0, 0], %x[%{{.*}} * 6, 0], %b[%[[PANEL]] * 16]
// LOOPS: kernel.call @{{.*}}(%{{.*}}[6, 0, 0], %x[%{{.*}} * 6, 0], %b[96]
func.func @main(%x: tensor<64x256xf32> {nnc.name = "x"},
                %w: tensor<100x256xf32> {nnc.name = "d.weight", nnc.role = "parameter"},
                %b: tensor<100xf32> {nnc.name = "d.bias", nnc.role = "parameter"},
                %g: tensor<100xf32> {nnc.name = "gamma", nnc.role = "parameter"}) -> tensor<64x100xf32> attributes {nnc.outputs = ["y"]} {
  %z = nn.matmul %x, %w {transpose_rhs} : (tensor<64x256xf32>, tensor<100x256xf32>) -> tensor<64x100xf32>
  %bs = nn.broadcast %b {dimensions = [1]} : tensor<100xf32> -> tensor<64x100xf32>
  %s = nn.add %z, %bs : tensor<64x100xf32>
  %h = nn.relu %s : tensor<64x100xf32>
  %r = nn.rsqrt %g : tensor<100xf32>
  %rs = nn.broadcast %r {dimensions = [1]} : tensor<100xf32> -> tensor<64x100xf32>
  %y = nn.mul %h, %rs : tensor<64x100xf32>
  func.return %y : tensor<64x100xf32>
}

// -----

// One row reads the weight as it is, and so does a product of a weight that is read otherwise too.

// CHECK-LABEL: func.func @main
// CHECK-NOT: derived
// CHECK: return
// LOOPS-LABEL: func.func @main
func.func @main(%x: tensor<1x256xf32>, %t: tensor<64x512xf32>,
                %w: tensor<256x512xf32> {nnc.name = "w", nnc.role = "parameter"},
                %v: tensor<512x512xf32> {nnc.name = "v", nnc.role = "parameter"}) -> (tensor<1x512xf32>, tensor<64x512xf32>, tensor<64x512xf32>) {
  %y = nn.matmul %x, %w : (tensor<1x256xf32>, tensor<256x512xf32>) -> tensor<1x512xf32>
  %z = nn.matmul %t, %v : (tensor<64x512xf32>, tensor<512x512xf32>) -> tensor<64x512xf32>
  %u = nn.matmul %t, %v {transpose_rhs} : (tensor<64x512xf32>, tensor<512x512xf32>) -> tensor<64x512xf32>
  func.return %y, %z, %u : tensor<1x512xf32>, tensor<64x512xf32>, tensor<64x512xf32>
}

// -----

// A program that updates a parameter derives nothing, and a view costs nothing anyway.

// CHECK-LABEL: func.func @main
// CHECK-NOT: derived
// LOOPS-LABEL: func.func @main
func.func @main(%w: tensor<4xf32> {nnc.name = "w", nnc.role = "parameter"},
                %v: tensor<4xf32> {nnc.name = "v", nnc.role = "parameter"},
                %g: tensor<4xf32> {nnc.name = "g", nnc.role = "parameter"}) -> (tensor<2x2xf32>, tensor<4xf32>, tensor<4xf32>)
    attributes {nnc.outputs = ["y", "z"], nnc.tied = array<i64: -1, 0, -1>} {
  %e = nn.exp %w : tensor<4xf32>
  %y = nn.reshape %v : tensor<4xf32> -> tensor<2x2xf32>
  %r = nn.rsqrt %g : tensor<4xf32>
  func.return %y, %e, %r : tensor<2x2xf32>, tensor<4xf32>, tensor<4xf32>
}
// CHECK: return
