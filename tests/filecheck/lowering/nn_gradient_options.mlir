// RUN: not nnc-opt %s -p 'nn-gradient{of=1}' 2>&1 | filecheck %s --check-prefix OF
// RUN: not nnc-opt %s -p 'nn-gradient{wrt="v"}' 2>&1 | filecheck %s --check-prefix WRT
// RUN: nnc-opt %s -p 'nn-gradient{wrt="x","w"}' | filecheck %s

// OF: nn-gradient: @main has 1 results, given of=1
// WRT: @main has no argument 'v'; its arguments are x, w
// CHECK: nnc.outputs = ["loss", "grad:x", "grad:w"]
func.func @main(%x: tensor<4xf32> {nnc.name = "x"}, %w: tensor<4xf32> {nnc.name = "w"}) -> tensor<4xf32>
    attributes {nnc.outputs = ["loss"]} {
  %loss = nn.mul %x, %w : tensor<4xf32>
  func.return %loss : tensor<4xf32>
}
