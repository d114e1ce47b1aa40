// RUN: nnc-opt %s -p nn-canonicalize --split-input-file | filecheck %s

// What slices pass back lies side by side; the order of the sum does not matter.

// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]] = nn.concat %a, %b, %c {axis = 1} : (tensor<2x3xf32>, tensor<2x1xf32>, tensor<2x2xf32>) -> tensor<2x6xf32>
// CHECK-NEXT: func.return %[[Y]]
func.func @main(%a: tensor<2x3xf32>, %b: tensor<2x1xf32>, %c: tensor<2x2xf32>) -> tensor<2x6xf32> {
  %p = nn.pad %a {low = [0, 0], high = [0, 3], value = 0.0} : tensor<2x3xf32> -> tensor<2x6xf32>
  %q = nn.pad %b {low = [0, 3], high = [0, 2], value = 0.0} : tensor<2x1xf32> -> tensor<2x6xf32>
  %r = nn.pad %c {low = [0, 4], high = [0, 0], value = 0.0} : tensor<2x2xf32> -> tensor<2x6xf32>
  %s = nn.add %r, %p : tensor<2x6xf32>
  %t = nn.add %s, %q : tensor<2x6xf32>
  func.return %t : tensor<2x6xf32>
}

// -----

// Where they overlap, or a border is not zero, or somebody else reads a part, it stays a sum.

// CHECK-LABEL: func.func @main
// CHECK-NOT: nn.concat
func.func @main(%a: tensor<4xf32>, %b: tensor<3xf32>, %c: tensor<2xf32>) -> (tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>) {
  %p = nn.pad %a {low = [0], high = [2], value = 0.0} : tensor<4xf32> -> tensor<6xf32>
  %q = nn.pad %b {low = [3], high = [0], value = 0.0} : tensor<3xf32> -> tensor<6xf32>
  %s = nn.add %p, %q : tensor<6xf32>
  %r = nn.pad %c {low = [4], high = [0], value = 1.0} : tensor<2xf32> -> tensor<6xf32>
  %u = nn.pad %a {low = [0], high = [2], value = 0.0} : tensor<4xf32> -> tensor<6xf32>
  %t = nn.add %u, %r : tensor<6xf32>
  %v = nn.pad %c {low = [4], high = [0], value = 0.0} : tensor<2xf32> -> tensor<6xf32>
  %w = nn.pad %a {low = [0], high = [2], value = 0.0} : tensor<4xf32> -> tensor<6xf32>
  %x = nn.add %v, %w : tensor<6xf32>
  func.return %s, %t, %x, %v : tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>
}
