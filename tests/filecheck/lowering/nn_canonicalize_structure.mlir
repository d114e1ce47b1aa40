// RUN: nnc-opt %s -p nn-canonicalize --split-input-file | filecheck %s

// What only gradients need is gone: bodies to run again, and cuts.

// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[E:.*]] = nn.exp %x : tensor<2xf32>
// CHECK-NEXT: %[[S:.*]] = nn.sin %[[E]] : tensor<2xf32>
// CHECK-NEXT: func.return %[[S]]
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = nn.checkpoint captures (%a = %x : tensor<2xf32>) {
    %z = nn.checkpoint captures (%b = %a : tensor<2xf32>) {
      %e = nn.exp %b : tensor<2xf32>
      nn.yield %e : tensor<2xf32>
    }
    %d = nn.detach %z : tensor<2xf32>
    %s = nn.sin %d : tensor<2xf32>
    nn.yield %s : tensor<2xf32>
  }
  func.return %y : tensor<2xf32>
}

// -----

// Nothing comes after what is there from the start. A view of a token is there when the token is,
// and a transpose moves to where a product can take it.

// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[T:.*]] = nn.exp %g : tensor<6xf32>
// CHECK-NEXT: %[[A:.*]] = nn.after %x, %[[T]] : tensor<2x3xf32>, tensor<6xf32>
// CHECK-NEXT: %[[M:.*]] = nn.matmul %[[A]], %x {transpose_lhs} :
// CHECK-NEXT: func.return %[[M]], %x
func.func @main(%x: tensor<2x3xf32>, %g: tensor<6xf32>) -> (tensor<3x3xf32>, tensor<2x3xf32>) {
  %e = nn.exp %g : tensor<6xf32>
  %r = nn.reshape %e : tensor<6xf32> -> tensor<3x2xf32>
  %t = nn.transpose %x {permutation = [1, 0]} : tensor<2x3xf32> -> tensor<3x2xf32>
  %a = nn.after %t, %r : tensor<3x2xf32>, tensor<3x2xf32>
  %m = nn.matmul %a, %x : (tensor<3x2xf32>, tensor<2x3xf32>) -> tensor<3x3xf32>
  %b = nn.after %x, %g : tensor<2x3xf32>, tensor<6xf32>
  func.return %m, %b : tensor<3x3xf32>, tensor<2x3xf32>
}

// -----

// What comes after something that is computed stays apart.

// CHECK-LABEL: func.func @main
// CHECK: nn.after
func.func @main(%x: tensor<2xf32>, %g: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %e = nn.exp %g : tensor<2xf32>
  %a = nn.after %x, %e : tensor<2xf32>, tensor<2xf32>
  %s = nn.sin %a : tensor<2xf32>
  func.return %s, %e : tensor<2xf32>, tensor<2xf32>
}

// -----

// A gradient of one's own leaves its values.

// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[E:.*]] = nn.exp %x : tensor<2xf32>
// CHECK-NEXT: func.return %[[E]]
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %e = nn.exp %x : tensor<2xf32>
  %y = nn.with_gradient of (%g = %e : tensor<2xf32>) captures (%a = %e : tensor<2xf32>) wrt %x : tensor<2xf32> {
    %p = nn.mul %g, %a : tensor<2xf32>
    nn.yield %p : tensor<2xf32>
  }
  func.return %y : tensor<2xf32>
}
