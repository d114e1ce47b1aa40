// RUN: %roundtrip

// CHECK-LABEL: func.func @updates
func.func @updates(%g: tensor<3x4xf32>, %w: tensor<3x4xf32>, %s: tensor<3x4xf32>, %lr: tensor<f32>, %wd: tensor<f32>, %rescale: tensor<f32>) {
  // CHECK: %w1 = optim.sgd %g, %w, %lr, %wd, %rescale : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<3x4xf32>
  %w1 = optim.sgd %g, %w, %lr, %wd, %rescale : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<3x4xf32>
  // The last scalar bounds the gradient.
  // CHECK: %w2 = optim.sgd %g, %w, %lr, %wd, %rescale, %lr :
  %w2 = optim.sgd %g, %w, %lr, %wd, %rescale, %lr : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<3x4xf32>
  // CHECK: %w3, %s3 = optim.momentum %g, %w, %s, %lr, %wd, %rescale {momentum = 9.000000e-01 : f64} :
  %w3, %s3 = optim.momentum %g, %w, %s, %lr, %wd, %rescale {momentum = 0.9 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w4, %s4 = optim.nag %g, %w, %s, %lr, %wd, %rescale {momentum = 9.000000e-01 : f64} :
  %w4, %s4 = optim.nag %g, %w, %s, %lr, %wd, %rescale {momentum = 0.9 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w5, %m5, %v5 = optim.adam %g, %w, %s, %s, %lr, %wd, %rescale, %lr, %lr {beta1 = 9.000000e-01 : f64, beta2 = 9.990000e-01 : f64, epsilon = 1.000000e-08 : f64} :
  %w5, %m5, %v5 = optim.adam %g, %w, %s, %s, %lr, %wd, %rescale, %lr, %lr {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w6, %n6 = optim.rmsprop %g, %w, %s, %lr, %wd, %rescale {rho = 9.000000e-01 : f64, epsilon = 1.000000e-08 : f64} :
  %w6, %n6 = optim.rmsprop %g, %w, %s, %lr, %wd, %rescale {rho = 0.9 : f64, epsilon = 1.0e-8 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w7, %n7, %k7, %d7 = optim.rmsprop_centered %g, %w, %s, %s, %s, %lr, %wd, %rescale {rho = 9.000000e-01 : f64, momentum = 9.000000e-01 : f64, epsilon = 1.000000e-08 : f64} :
  %w7, %n7, %k7, %d7 = optim.rmsprop_centered %g, %w, %s, %s, %s, %lr, %wd, %rescale {rho = 0.9 : f64, momentum = 0.9 : f64, epsilon = 1.0e-8 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  func.return
}
