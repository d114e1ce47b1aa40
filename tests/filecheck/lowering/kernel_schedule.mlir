// RUN: nnc-opt %s -p kernel-schedule | filecheck %s

// An update moves up to the last op that must precede it: here the product that still reads %w,
// not the one of %v. What is no update stays where it is.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>, %v: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>)
    attributes {nnc.outputs = ["y"], nnc.tied = array<i64: -1, 1, 2>} {
  %a = kernel.launch @f ins(%x, %x : tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %b = kernel.launch @f ins(%a, %w : tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %y = kernel.launch @f ins(%b, %b : tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %w1 = kernel.launch @f ins(%a, %w : tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %v1 = kernel.launch @f ins(%a, %v : tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  func.return %y, %w1, %v1 : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>
}
// CHECK-NEXT: %a = kernel.launch
// CHECK-NEXT: %v1 = kernel.launch
// CHECK-NEXT: %b = kernel.launch
// CHECK-NEXT: %w1 = kernel.launch
// CHECK-NEXT: %y = kernel.launch

kernel.func @f(%p: tensor<4x4xf32>, %q: tensor<4x4xf32>) -> (tensor<4x4xf32>) {
  %r = nn.add %p, %q : tensor<4x4xf32>
  kernel.return %r : tensor<4x4xf32>
}
