// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.softmax: axis 2 is not an axis of a tensor of rank 2
func.func @axis(%x: tensor<3x4xf32>) {
  %y = nn.softmax %x {axis = 2} : tensor<3x4xf32>
  func.return
}

// -----

// CHECK: nn.softmax: expected floating-point elements, given tensor<3x4xi32>
func.func @integers(%x: tensor<3x4xi32>) {
  %y = nn.softmax %x {axis = 1} : tensor<3x4xi32>
  func.return
}

// -----

// CHECK: nn.cross_entropy: label must have the shape [3] of tensor<3x4xf32> without its last axis, the classes, given tensor<4xi32>
func.func @labels(%x: tensor<3x4xf32>, %label: tensor<4xi32>) {
  %nll, %p = nn.cross_entropy %x, %label : (tensor<3x4xf32>, tensor<4xi32>) -> (tensor<4xf32>, tensor<3x4xf32>)
  func.return
}

// -----

// CHECK: nn.cross_entropy: the axis that indices count along has no elements, given tensor<3xi32>
func.func @no_classes(%x: tensor<3x0xf32>, %label: tensor<3xi32>) {
  %nll, %p = nn.cross_entropy %x, %label : (tensor<3x0xf32>, tensor<3xi32>) -> (tensor<3xf32>, tensor<3x0xf32>)
  func.return
}

// -----

// CHECK: nn.cross_entropy: indices must be i32 or i64, given tensor<3xf32>
func.func @soft_labels(%x: tensor<3x4xf32>, %label: tensor<3xf32>) {
  %nll, %p = nn.cross_entropy %x, %label : (tensor<3x4xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3x4xf32>)
  func.return
}

// -----

// CHECK: nn.cross_entropy_grad: grad is tensor<3x4xf32>, expected tensor<3xf32>
func.func @cotangent(%p: tensor<3x4xf32>, %label: tensor<3xi32>) {
  %dz = nn.cross_entropy_grad %p, %label, %p : (tensor<3x4xf32>, tensor<3xi32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  func.return
}

// -----

// CHECK: nn.batch_norm: expected tensor<4xf32>, a value for each channel of tensor<3x4xf32>, given tensor<3xf32>
func.func @channels(%x: tensor<3x4xf32>, %gamma: tensor<3xf32>) {
  %y, %mean, %variance = nn.batch_norm %x, %gamma, %gamma {epsilon = 1.0e-5} : (tensor<3x4xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<3x4xf32>, tensor<3xf32>, tensor<3xf32>)
  func.return
}

// -----

// CHECK: nn.batch_norm: axis 1 must be the channels, given tensor<3xf32>
func.func @no_channels(%x: tensor<3xf32>) {
  %y, %mean, %variance = nn.batch_norm %x, %x, %x {epsilon = 1.0e-5} : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
  func.return
}

// -----

// CHECK: nn.normalize: axes = [1, 0] must be one or more increasing axes
func.func @order(%x: tensor<3x4xf32>) {
  %h, %rate = nn.normalize %x {axes = [1, 0], epsilon = 1.0e-5} : (tensor<3x4xf32>) -> (tensor<3x4xf32>, tensor<f32>)
  func.return
}

// -----

// CHECK: nn.normalize: axis 2 is not an axis of a tensor of rank 2
func.func @outside(%x: tensor<3x4xf32>) {
  %h, %rate = nn.normalize %x {axes = [2], epsilon = 1.0e-5} : (tensor<3x4xf32>) -> (tensor<3x4xf32>, tensor<3xf32>)
  func.return
}

// -----

// CHECK: nn.normalize: expected floating-point elements, given tensor<3x4xi32>
func.func @whole_numbers(%x: tensor<3x4xi32>) {
  %h, %rate = nn.normalize %x {axes = [1], epsilon = 1.0e-5} : (tensor<3x4xi32>) -> (tensor<3x4xi32>, tensor<3xi32>)
  func.return
}

// -----

// CHECK: nn.normalize_grad: rate is tensor<4xf32>, expected tensor<3xf32>
func.func @rates(%h: tensor<3x4xf32>, %rate: tensor<4xf32>) {
  %dx = nn.normalize_grad %h, %rate, %h {axes = [1]} : (tensor<3x4xf32>, tensor<4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  func.return
}

// -----

// CHECK: nn.normalize_grad: grad is tensor<3xf32>, expected tensor<3x4xf32>
func.func @row_cotangent(%h: tensor<3x4xf32>, %rate: tensor<3xf32>) {
  %dx = nn.normalize_grad %h, %rate, %rate {axes = [1]} : (tensor<3x4xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<3x4xf32>
  func.return
}

// -----

// CHECK: nn.batch_norm: a channel of tensor<0x3xf32> has no elements to average
func.func @no_batch(%x: tensor<0x3xf32>, %c: tensor<3xf32>) {
  %y, %m, %v = nn.batch_norm %x, %c, %c {epsilon = 1.0e-05} : (tensor<0x3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<0x3xf32>, tensor<3xf32>, tensor<3xf32>)
  func.return
}

// -----

// CHECK: nn.normalize: a row of tensor<3x0xf32> has no elements to average
func.func @no_row(%x: tensor<3x0xf32>) {
  %y, %r = nn.normalize %x {axes = [1], epsilon = 1.0e-05} : (tensor<3x0xf32>) -> (tensor<3x0xf32>, tensor<3xf32>)
  func.return
}
