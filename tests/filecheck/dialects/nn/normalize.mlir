// RUN: %roundtrip

// CHECK-LABEL: func.func @rows
func.func @rows(%x: tensor<3x4xf32>, %label: tensor<3xi32>, %g: tensor<3xf32>) {
  // CHECK: %y = nn.softmax %x {axis = 1} : tensor<3x4xf32>
  %y = nn.softmax %x {axis = 1} : tensor<3x4xf32>
  // CHECK-NEXT: %dx = nn.softmax_grad %y, %x {axis = 1} : tensor<3x4xf32>
  %dx = nn.softmax_grad %y, %x {axis = 1} : tensor<3x4xf32>
  // CHECK-NEXT: %l = nn.log_softmax %x {axis = 0} : tensor<3x4xf32>
  %l = nn.log_softmax %x {axis = 0} : tensor<3x4xf32>
  // CHECK-NEXT: %dl = nn.log_softmax_grad %l, %x {axis = 0} : tensor<3x4xf32>
  %dl = nn.log_softmax_grad %l, %x {axis = 0} : tensor<3x4xf32>
  // CHECK-NEXT: %nll, %p = nn.cross_entropy %x, %label : (tensor<3x4xf32>, tensor<3xi32>) -> (tensor<3xf32>, tensor<3x4xf32>)
  %nll, %p = nn.cross_entropy %x, %label : (tensor<3x4xf32>, tensor<3xi32>) -> (tensor<3xf32>, tensor<3x4xf32>)
  // CHECK-NEXT: %dz = nn.cross_entropy_grad %p, %label, %g : (tensor<3x4xf32>, tensor<3xi32>, tensor<3xf32>) -> tensor<3x4xf32>
  %dz = nn.cross_entropy_grad %p, %label, %g : (tensor<3x4xf32>, tensor<3xi32>, tensor<3xf32>) -> tensor<3x4xf32>
  func.return
}

// CHECK-LABEL: func.func @channels
func.func @channels(%x: tensor<2x3x4x4xf32>, %gamma: tensor<3xf32>, %beta: tensor<3xf32>) {
  // CHECK: %y, %mean, %variance = nn.batch_norm %x, %gamma, %beta {epsilon = 1.000000e-05} : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>)
  %y, %mean, %variance = nn.batch_norm %x, %gamma, %beta {epsilon = 1.0e-5} : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>)
  // CHECK-NEXT: %dx, %dgamma, %dbeta = nn.batch_norm_grad %x, %gamma, %mean, %variance, %y {epsilon = 1.000000e-05} :
  %dx, %dgamma, %dbeta = nn.batch_norm_grad %x, %gamma, %mean, %variance, %y {epsilon = 1.0e-5} : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<2x3x4x4xf32>) -> (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>)
  func.return
}

// CHECK-LABEL: func.func @norms
func.func @norms(%x: tensor<2x3x4xf32>) {
  // CHECK: %h, %rate = nn.normalize %x {axes = [2], epsilon = 1.000000e-05} : (tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3xf32>)
  %h, %rate = nn.normalize %x {axes = [2], epsilon = 1.0e-5} : (tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3xf32>)
  // CHECK-NEXT: %dx = nn.normalize_grad %h, %rate, %x {axes = [2]} : (tensor<2x3x4xf32>, tensor<2x3xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %dx = nn.normalize_grad %h, %rate, %x {axes = [2]} : (tensor<2x3x4xf32>, tensor<2x3xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  // CHECK-NEXT: %r, %scale = nn.normalize %x {axes = [0, 2], epsilon = 0.000000e+00, uncentered} :
  %r, %scale = nn.normalize %x {axes = [0, 2], epsilon = 0.0, uncentered} : (tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<3xf32>)
  // CHECK-NEXT: %dr = nn.normalize_grad %r, %scale, %x {axes = [0, 2], uncentered} :
  %dr = nn.normalize_grad %r, %scale, %x {axes = [0, 2], uncentered} : (tensor<2x3x4xf32>, tensor<3xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  func.return
}
