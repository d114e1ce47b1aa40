// RUN: nnc-opt %s -p 'graph,group{target=avx2},store,nn-decompose,kernel-to-loops{target=avx2}' | filecheck %s

// Only the logarithms of the sums are read: no factors, no second product.
// CHECK-NOT:     kernel.func private @attention_output(
// CHECK-LABEL:   kernel.func @attention(
// CHECK-NOT:     %factors
// CHECK:         math.log
// CHECK-NOT:     kernel.call
func.func @main(%q: tensor<2x3x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x4xf32>) -> tensor<2x3xf32> {
  %y, %log_sum = nn.attention %q, %k, %v {scale = 0.5} : (tensor<2x3x4xf32>, tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3xf32>)
  func.return %log_sum : tensor<2x3xf32>
}
