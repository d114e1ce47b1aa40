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

// CHECK-LABEL: func.func @choice
func.func @choice(%p: tensor<i1>, %x: tensor<2xf32>, %w: tensor<2xf32>) -> (tensor<2xf32>, tensor<i1>) {
  // CHECK-NEXT: %y = nn.cond %p captures (%a = %x : tensor<2xf32>, %b = %w : tensor<2xf32>) {
  %y = nn.cond %p captures (%a = %x : tensor<2xf32>, %b = %w : tensor<2xf32>) {
    // CHECK-NEXT: %m = nn.mul %a, %b : tensor<2xf32>
    %m = nn.mul %a, %b : tensor<2xf32>
    nn.yield %m : tensor<2xf32>
  // CHECK: } else (%c, %d) {
  } else (%c, %d) {
    // CHECK-NEXT: nn.yield %c : tensor<2xf32>
    nn.yield %c : tensor<2xf32>
  }
  // CHECK: %q = nn.cond %p {
  %q = nn.cond %p {
    %t = nn.constant 1 : tensor<i1>
    nn.yield %t : tensor<i1>
  // CHECK: } else {
  } else {
    %f = nn.constant 0 : tensor<i1>
    nn.yield %f : tensor<i1>
  }
  func.return %y, %q : tensor<2xf32>, tensor<i1>
}

// CHECK-LABEL: func.func @again
func.func @again(%x: tensor<2xf32>, %g: tensor<3xf32>) -> tensor<2xf32> {
  // CHECK-NEXT: %y = nn.checkpoint captures (%a = %x : tensor<2xf32>) {
  %y = nn.checkpoint captures (%a = %x : tensor<2xf32>) {
    %e = nn.exp %a : tensor<2xf32>
    // CHECK: nn.yield %e : tensor<2xf32>
    nn.yield %e : tensor<2xf32>
  }
  // CHECK: %z = nn.after %y, %g : tensor<2xf32>, tensor<3xf32>
  %z = nn.after %y, %g : tensor<2xf32>, tensor<3xf32>
  // CHECK-NEXT: nn.detach %z : tensor<2xf32>
  %d = nn.detach %z : tensor<2xf32>
  func.return %d : tensor<2xf32>
}

// CHECK-LABEL: func.func @own_gradient
func.func @own_gradient(%x: tensor<2xf32>, %w: tensor<f32>) -> (tensor<2xf32>, tensor<3xf32>) {
  %e = nn.exp %x : tensor<2xf32>
  // CHECK: %y = nn.with_gradient of (%g = %e : tensor<2xf32>) captures (%a = %e : tensor<2xf32>) wrt %x : tensor<2xf32> {
  %y = nn.with_gradient of (%g = %e : tensor<2xf32>) captures (%a = %e : tensor<2xf32>) wrt %x : tensor<2xf32> {
    // CHECK-NEXT: %p = nn.mul %g, %a : tensor<2xf32>
    %p = nn.mul %g, %a : tensor<2xf32>
    // CHECK-NEXT: nn.yield %p : tensor<2xf32>
    nn.yield %p : tensor<2xf32>
  }
  %c = nn.constant 1.0 : tensor<3xf32>
  // CHECK: %z = nn.with_gradient of (%h = %c : tensor<3xf32>) {
  %z = nn.with_gradient of (%h = %c : tensor<3xf32>) {
    nn.yield
  }
  // CHECK: %u, %v = nn.with_gradient of (%k = %x : tensor<2xf32>, %l = %c : tensor<3xf32>) wrt %x, %w : tensor<2xf32>, tensor<f32> {
  %u, %v = nn.with_gradient of (%k = %x : tensor<2xf32>, %l = %c : tensor<3xf32>) wrt %x, %w : tensor<2xf32>, tensor<f32> {
    %s = nn.constant 0.0 : tensor<f32>
    nn.yield %k, %s : tensor<2xf32>, tensor<f32>
  }
  func.return %y, %z : tensor<2xf32>, tensor<3xf32>
}
