// RUN: nnc-opt %s -p 'nn-layout,nn-canonicalize,nn-derive{columns=8 width=4},nn-canonicalize' --split-input-file | filecheck %s
// RUN: nnc-opt %s -p 'nn-layout,nn-canonicalize,nn-derive{columns=8 width=4},nn-canonicalize,group,bufferize' --split-input-file | filecheck %s --check-prefix STORE

// What depends on parameters alone is made by @prepare. A wide weight is read as panels: each has
// its product and epilogue, and writes its columns of the output; all are launches of one kernel.

// CHECK-LABEL: func.func @main
// CHECK-SAME: tensor<3x8x4xf32> {nnc.name = "d.weight:derived0", nnc.role = "parameter", nnc.derived = ["d.weight"]}
// CHECK-SAME: tensor<12xf32> {nnc.name = "gamma:derived1", nnc.role = "parameter", nnc.derived = ["gamma"]}
// CHECK: nn.slice %d_weight_derived0 {starts = [1, 0, 0], limits = [2, 8, 4], strides = [1, 1, 1]}
// CHECK: nn.slice %b {starts = [4], limits = [8], strides = [1]}
// CHECK: nn.relu
// CHECK-NOT: nn.rsqrt
// CHECK: %y = nn.concat %{{.*}}, %{{.*}}, %{{.*}} {axis = 1}
// CHECK: func.func @prepare(%w: tensor<8x12xf32> {nnc.name = "d.weight", nnc.role = "parameter", nnc.layout = array<i64: 1, 0>}, %g: tensor<12xf32>
// CHECK-SAME: nnc.outputs = ["d.weight:derived0", "gamma:derived1"]
// CHECK-NEXT: %[[CUT:.*]] = nn.reshape %w : tensor<8x12xf32> -> tensor<8x3x4xf32>
// CHECK-NEXT: %[[PANELS:.*]] = nn.transpose %[[CUT]] {permutation = [1, 0, 2]}
// CHECK-NEXT: %r = nn.rsqrt %g
// CHECK-NEXT: func.return %[[PANELS]], %r

// STORE-LABEL: func.func @main
// STORE: kernel.launch @dense_relu ins(%x, %{{.*}}) outs(%{{.*}} : memref<4x4xf32, strided<[12, 1]>>)
// STORE: kernel.launch @dense_relu
// STORE: kernel.launch @dense_relu
// STORE-NOT: buffer.copy
// STORE-NOT: buffer.alloc
// STORE: func.return
func.func @main(%x: tensor<4x8xf32> {nnc.name = "x"},
                %w: tensor<12x8xf32> {nnc.name = "d.weight", nnc.role = "parameter"},
                %b: tensor<12xf32> {nnc.name = "d.bias", nnc.role = "parameter"},
                %g: tensor<12xf32> {nnc.name = "gamma", nnc.role = "parameter"}) -> tensor<4x12xf32> attributes {nnc.outputs = ["y"]} {
  %z = nn.matmul %x, %w {transpose_rhs} : (tensor<4x8xf32>, tensor<12x8xf32>) -> tensor<4x12xf32>
  %bs = nn.broadcast %b {dimensions = [1]} : tensor<12xf32> -> tensor<4x12xf32>
  %s = nn.add %z, %bs : tensor<4x12xf32>
  %h = nn.relu %s : tensor<4x12xf32>
  %r = nn.rsqrt %g : tensor<12xf32>
  %rs = nn.broadcast %r {dimensions = [1]} : tensor<12xf32> -> tensor<4x12xf32>
  %y = nn.mul %h, %rs : tensor<4x12xf32>
  func.return %y : tensor<4x12xf32>
}

// -----

// A program that updates the parameter derives nothing from it, and a view costs nothing anyway.

// CHECK-LABEL: func.func @main
// CHECK-NOT: derived
// STORE-LABEL: func.func @main
func.func @main(%w: tensor<4xf32> {nnc.name = "w", nnc.role = "parameter"},
                %v: tensor<4xf32> {nnc.name = "v", nnc.role = "parameter"}) -> (tensor<2x2xf32>, tensor<4xf32>)
    attributes {nnc.outputs = ["y"], nnc.tied = array<i64: -1, 0>} {
  %e = nn.exp %w : tensor<4xf32>
  %y = nn.reshape %v : tensor<4xf32> -> tensor<2x2xf32>
  func.return %y, %e : tensor<2x2xf32>, tensor<4xf32>
}
// CHECK: return
