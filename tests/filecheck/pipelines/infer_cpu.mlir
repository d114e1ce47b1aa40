// RUN: nnc-opt %s -p infer-cpu | filecheck %s
// RUN: nnc-opt %s -p infer-cpu -t c | filecheck %s --check-prefix C
// RUN: nnc-opt %s -p infer-c99 -t c | filecheck %s --check-prefix C99
// RUN: nnc-opt %s -p infer-cuda -t cuda | filecheck %s --check-prefix CUDA

// One dense layer from the graph to text: the bias and the ReLU are the product's epilogue, so
// there is one kernel, one launch and nothing in the arena.

// CHECK: func.func @main(%x: memref<12x8xf32>
// CHECK-SAME: %[[ARENA:.*]]: memref<0xi8>
// CHECK-NEXT: kernel.launch @dense_relu
// CHECK-NEXT: func.return
// CHECK: kernel.func private @dense_relu_{{.*}} {
// CHECK: tile.outer
// CHECK: arith.maximumf
// CHECK: tile.store
// CHECK-NOT: nn.

// C: vector_size(64)
// C: noinline)) void dense_relu_
// C: int program(void *const *arguments, char *arena
// C: dense_relu(

// C99-NOT: vector_size
// C99-NOT: nnc_pool
// C99: int program(void *const *arguments, char *arena)

// CUDA: __global__
// CUDA: <<<
func.func @main(%x: tensor<12x8xf32> {nnc.name = "x", nnc.role = "input"},
                %w: tensor<64x8xf32> {nnc.name = "weight", nnc.role = "parameter"},
                %b: tensor<64xf32> {nnc.name = "bias", nnc.role = "parameter"})
    -> tensor<12x64xf32> attributes {nnc.outputs = ["y"]} {
  %0 = nn.matmul %x, %w {transpose_rhs} : (tensor<12x8xf32>, tensor<64x8xf32>) -> tensor<12x64xf32>
  %1 = nn.broadcast %b {dimensions = [1]} : tensor<64xf32> -> tensor<12x64xf32>
  %2 = nn.add %0, %1 : tensor<12x64xf32>
  %y = nn.relu %2 : tensor<12x64xf32>
  func.return %y : tensor<12x64xf32>
}
