// RUN: %roundtrip

// CHECK-LABEL: func.func @recurrence
func.func @recurrence(%h0: tensor<2x3xf32>, %xs: tensor<5x2x3xf32>, %w: tensor<3x3xf32>) -> tensor<5x2x3xf32> {
  // CHECK: %h, %ys = nn.scan 5 carry (%s = %h0 : tensor<2x3xf32>) slices (%x = %xs : tensor<5x2x3xf32>) captures (%a = %w : tensor<3x3xf32>) {
  %h, %ys = nn.scan 5 carry (%s = %h0 : tensor<2x3xf32>) slices (%x = %xs : tensor<5x2x3xf32>) captures (%a = %w : tensor<3x3xf32>) {
    // CHECK-NEXT: %p = nn.matmul %s, %a : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x3xf32>
    %p = nn.matmul %s, %a : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x3xf32>
    %t = nn.add %p, %x : tensor<2x3xf32>
    // CHECK: nn.yield %t, %t : tensor<2x3xf32>, tensor<2x3xf32>
    nn.yield %t, %t : tensor<2x3xf32>, tensor<2x3xf32>
  }
  // CHECK: %zs = nn.scan 5 reverse slices (%y = %ys : tensor<5x2x3xf32>) {
  %zs = nn.scan 5 reverse slices (%y = %ys : tensor<5x2x3xf32>) {
    %z = nn.mul %y, %y : tensor<2x3xf32>
    nn.yield %z : tensor<2x3xf32>
  }
  func.return %zs : tensor<5x2x3xf32>
}
