// RUN: nnc-opt %s -p 'train-cpu{rule=momentum}' | filecheck %s
// RUN: nnc-opt %s -p 'train-c99{rule=adam}' -t c | filecheck %s --check-prefix C99
// RUN: nnc-opt %s -p train-cuda -t cuda | filecheck %s --check-prefix CUDA

// A training step: the gradient's product updates the weight in its epilogue, in place; the
// gradient of the logits takes the place of the logits.

// CHECK: func.func @main
// CHECK-SAME: nnc.name = "momentum:weight"
// CHECK: kernel.launch @dense ins(
// CHECK: kernel.launch @cross_entropy_and_grad ins(%label : {{.*}}) outs(%loss : {{.*}}) inouts(
// CHECK: kernel.launch @matmul_momentum ins({{.*}}) inouts(%w, %momentum_weight :
// CHECK: kernel.launch @sum_momentum ins({{.*}}) inouts(%b, %momentum_bias :
// CHECK-NEXT: func.return

// C99-NOT: vector_size
// C99: static void matmul_adam(
// C99: int program(void *const *arguments, char *arena)

// CUDA: __global__{{.*}} matmul_sgd(
func.func @main(%x: tensor<12x8xf32> {nnc.name = "x", nnc.role = "input"},
                %label: tensor<12xi32> {nnc.name = "label", nnc.role = "input"},
                %w: tensor<5x8xf32> {nnc.name = "weight", nnc.role = "parameter"},
                %b: tensor<5xf32> {nnc.name = "bias", nnc.role = "parameter"})
    -> tensor<12xf32> attributes {nnc.outputs = ["loss"]} {
  %0 = nn.matmul %x, %w {transpose_rhs} : (tensor<12x8xf32>, tensor<5x8xf32>) -> tensor<12x5xf32>
  %1 = nn.broadcast %b {dimensions = [1]} : tensor<5xf32> -> tensor<12x5xf32>
  %z = nn.add %0, %1 : tensor<12x5xf32>
  %loss, %p = nn.cross_entropy %z, %label : (tensor<12x5xf32>, tensor<12xi32>) -> (tensor<12xf32>, tensor<12x5xf32>)
  func.return %loss : tensor<12xf32>
}
