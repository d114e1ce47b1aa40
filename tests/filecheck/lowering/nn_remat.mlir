// RUN: nnc-opt %s -p 'nn-gradient,graph,kernel-fuse,nn-remat{budget-mib=0.1}' | filecheck %s
// RUN: nnc-opt %s -p 'nn-gradient,graph,kernel-fuse,nn-remat{budget-mib=0.13}' | filecheck %s --check-prefix ENOUGH
// RUN: nnc-opt %s -p 'nn-gradient,graph,kernel-fuse,nn-remat' | filecheck %s --check-prefix ENOUGH
// RUN: not nnc-opt %s -p 'nn-gradient,graph,kernel-fuse,nn-remat{budget-mib=0.02}' 2>&1 | filecheck %s --check-prefix NEVER
// RUN: not nnc-opt %s -p 'nn-gradient,graph,kernel-fuse,nn-remat{budget-mib=-1}' 2>&1 | filecheck %s --check-prefix NEGATIVE

// Each layer keeps the product and its sine. Two sines less are enough for the budget: each is
// computed again from its product, right before the product that reads it; the earliest live longest.

// CHECK: %a, %s = kernel.group(%x, %w)
// CHECK: %b, %t = kernel.group(%s, %w)
// CHECK: %c, %u = kernel.group(%t, %w)
// CHECK: %d_b = kernel.group
// CHECK: %[[T:.*]] = kernel.group(%b)
// CHECK-NEXT: ^bb0
// CHECK-NEXT: nn.sin
// CHECK-NEXT: kernel.return
// CHECK-NEXT: }
// CHECK-NEXT: kernel.group(%[[T]], %d_c, %d_w)
// CHECK: %d_a = kernel.group
// CHECK: %[[S:.*]] = kernel.group(%a)
// CHECK-NEXT: ^bb0
// CHECK-NEXT: nn.sin
// CHECK-NEXT: kernel.return
// CHECK-NEXT: }
// CHECK-NEXT: kernel.group(%[[S]], %d_b, %{{.*}})

// Nothing changes where the arena fits, or no budget is given.

// ENOUGH: %d_b = kernel.group
// ENOUGH-NOT: nn.sin

// NEVER: nn-remat: a budget of 0.02 MiB cannot be met; the smallest found is 0.1 MiB
// NEGATIVE: nn-remat: a budget is more than 0 MiB, given -1
func.func @main(%x: tensor<64x64xf32>, %w: tensor<64x64xf32> {nnc.role = "parameter"}) -> tensor<64x64xf32> {
  %a = nn.matmul %x, %w : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %s = nn.sin %a : tensor<64x64xf32>
  %b = nn.matmul %s, %w : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %t = nn.sin %b : tensor<64x64xf32>
  %c = nn.matmul %t, %w : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %u = nn.sin %c : tensor<64x64xf32>
  %d = nn.matmul %u, %w : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  func.return %d : tensor<64x64xf32>
}
