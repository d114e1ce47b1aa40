// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: optim.sgd: expected (grad, param, lr, wd, rescale, clip), of which clip is optional, given 4 operands
func.func @too_few(%g: tensor<3xf32>, %w: tensor<3xf32>, %lr: tensor<f32>) {
  %w1 = optim.sgd %g, %w, %lr, %lr : (tensor<3xf32>, tensor<3xf32>, tensor<f32>, tensor<f32>) -> tensor<3xf32>
  func.return
}

// -----

// CHECK: optim.momentum: momentum is tensor<4xf32>, expected tensor<3xf32>
func.func @state(%g: tensor<3xf32>, %w: tensor<3xf32>, %s: tensor<4xf32>, %lr: tensor<f32>) {
  %w1, %s1 = optim.momentum %g, %w, %s, %lr, %lr, %lr {momentum = 0.9 : f64} : (tensor<3xf32>, tensor<3xf32>, tensor<4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3xf32>, tensor<4xf32>)
  func.return
}

// -----

// CHECK: optim.sgd: lr is tensor<f64>, expected tensor<f32>
func.func @scalar(%g: tensor<3xf32>, %w: tensor<3xf32>, %lr: tensor<f64>) {
  %w1 = optim.sgd %g, %w, %lr, %lr, %lr : (tensor<3xf32>, tensor<3xf32>, tensor<f64>, tensor<f64>, tensor<f64>) -> tensor<3xf32>
  func.return
}

// -----

// CHECK: optim.sgd: param must hold floats, given tensor<3xi32>
func.func @integers(%g: tensor<3xi32>, %w: tensor<3xi32>, %lr: tensor<i32>) {
  %w1 = optim.sgd %g, %w, %lr, %lr, %lr : (tensor<3xi32>, tensor<3xi32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<3xi32>
  func.return
}

// -----

// CHECK: optim.sgd: the result is (tensor<4xf32>), expected (tensor<3xf32>)
func.func @result(%g: tensor<3xf32>, %w: tensor<3xf32>, %lr: tensor<f32>) {
  %w1 = optim.sgd %g, %w, %lr, %lr, %lr : (tensor<3xf32>, tensor<3xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  func.return
}
