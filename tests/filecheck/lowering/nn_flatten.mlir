// RUN: nnc-opt %s -p 'nn-flatten{target=cuda}' | filecheck %s
// RUN: nnc-opt %s -p 'nn-flatten{target=avx2}' | filecheck %s --check-prefix BRANCH

// Where the host program cannot branch, both bodies run and the results are chosen; also in a scan.

// CHECK-LABEL: func.func @main
// CHECK: %[[E:.*]] = nn.exp %a : tensor<2xf32>
// CHECK-NEXT: %[[MASK:.*]] = nn.broadcast %q {dimensions = []} : tensor<i1> -> tensor<2xi1>
// CHECK-NEXT: %n = nn.select %[[MASK]], %[[E]], %a : tensor<2xi1>, tensor<2xf32>
// CHECK-NEXT: nn.yield %n
// CHECK-NOT: nn.cond

// BRANCH: nn.cond %q captures
func.func @main(%p: tensor<i1>, %x: tensor<2xf32>) -> tensor<2xf32> {
  %y = nn.scan 3 carry (%a = %x : tensor<2xf32>) captures (%q = %p : tensor<i1>) {
    %n = nn.cond %q captures (%b = %a : tensor<2xf32>) {
      %e = nn.exp %b : tensor<2xf32>
      nn.yield %e : tensor<2xf32>
    } else (%c) {
      nn.yield %c : tensor<2xf32>
    }
    nn.yield %n : tensor<2xf32>
  }
  func.return %y : tensor<2xf32>
}
