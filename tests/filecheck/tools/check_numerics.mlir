// RUN: nnc-opt %s --check-numerics --tolerance 1e-6 -p 'group,store,loops' | filecheck %s

// CHECK: kernel-fuse: same
// CHECK: bufferize: same
// CHECK: kernel-to-loops: {{same|[0-9.]+e-[0-9]+}}
// CHECK: {{[0-9]+}} passes keep the results
func.func @main(%x: tensor<5x7xf32>, %w: tensor<7x3xf32>) -> tensor<5x3xf32> {
  %0 = nn.matmul %x, %w : (tensor<5x7xf32>, tensor<7x3xf32>) -> tensor<5x3xf32>
  %1 = nn.tanh %0 : tensor<5x3xf32>
  func.return %1 : tensor<5x3xf32>
}
