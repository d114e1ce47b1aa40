// RUN: nnc-opt %s -p 'graph,group{target=avx2},store,nn-decompose,kernel-to-loops{target=avx2}' | filecheck %s
// RUN: nnc-opt %s -p 'graph,group{target=cuda},store,nn-decompose,kernel-to-loops{target=cuda}' | filecheck %s --check-prefix=CUDA

// One kernel: for each head and block of queries the scores, their softmax, and the output. The
// products are private kernels with strategies of their own; scores are scratch of a worker.
// CHECK-LABEL: kernel.func private @attention_scores(
// CHECK-LABEL: kernel.func private @attention_output(
// CHECK-LABEL: kernel.func @attention(
// CHECK:         %scores = buffer.alloc : memref<6x5xf32>
// CHECK:         %factors = buffer.alloc : memref<6xf32>
// CHECK:         loop.parallel (%i, %j) to (3, 2) {
// CHECK:           kernel.call @attention_scores(
// CHECK:           loop.parallel (%k_1) to (6) {
// CHECK:             arith.maximumf
// CHECK:             arith.cmpi sle
// CHECK:             math.exp
// CHECK:             arith.divf
// CHECK:           kernel.call @attention_output(

// A block is one of many threads on a GPU, so it is smaller.
// CUDA: kernel.func @attention({{.*}} strategy #kernel.strategy<attention {block = 8}>
func.func @main(%q: tensor<2x3x6x8xf32>, %k: tensor<2x3x5x8xf32>, %v: tensor<2x3x5x4xf32>) -> tensor<2x3x6x4xf32> {
  %y, %log_sum = nn.attention %q, %k, %v {scale = 0.5, causal} : (tensor<2x3x6x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x4xf32>) -> (tensor<2x3x6x4xf32>, tensor<2x3x6xf32>)
  func.return %y : tensor<2x3x6x4xf32>
}
