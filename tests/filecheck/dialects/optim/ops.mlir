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

  // CHECK: %w8, %s8 = optim.signum %g, %w, %s, %lr, %wd, %rescale {momentum = 9.000000e-01 : f64, wd_lh = 0.000000e+00 : f64} :
  %w8, %s8 = optim.signum %g, %w, %s, %lr, %wd, %rescale {momentum = 0.9 : f64, wd_lh = 0.0 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w9, %m9, %v9 = optim.adamw %g, %w, %s, %s, %lr, %wd, %rescale, %lr, %lr {beta1 = 9.000000e-01 : f64, beta2 = 9.990000e-01 : f64, epsilon = 1.000000e-08 : f64} :
  %w9, %m9, %v9 = optim.adamw %g, %w, %s, %s, %lr, %wd, %rescale, %lr, %lr {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w10, %m10, %v10 = optim.nadam %g, %w, %s, %s, %lr, %wd, %rescale, %lr, %lr, %lr {beta1 = 9.000000e-01 : f64, beta2 = 9.990000e-01 : f64, epsilon = 1.000000e-08 : f64} :
  %w10, %m10, %v10 = optim.nadam %g, %w, %s, %s, %lr, %wd, %rescale, %lr, %lr, %lr {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w11, %m11, %u11 = optim.adamax %g, %w, %s, %s, %lr, %wd, %rescale, %lr {beta1 = 9.000000e-01 : f64, beta2 = 9.990000e-01 : f64, epsilon = 1.000000e-08 : f64} :
  %w11, %m11, %u11 = optim.adamax %g, %w, %s, %s, %lr, %wd, %rescale, %lr {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  // A direction needs no rate.
  // CHECK: %d12, %m12, %v12 = optim.adam_direction %g, %w, %s, %s, %wd, %rescale, %lr, %lr {beta1 = 9.000000e-01 : f64, beta2 = 9.990000e-01 : f64, epsilon = 1.000000e-08 : f64} :
  %d12, %m12, %v12 = optim.adam_direction %g, %w, %s, %s, %wd, %rescale, %lr, %lr {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w13, %h13 = optim.adagrad %g, %w, %s, %lr, %wd, %rescale {epsilon = 1.000000e-06 : f64} :
  %w13, %h13 = optim.adagrad %g, %w, %s, %lr, %wd, %rescale {epsilon = 1.0e-6 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w14, %n14, %a14 = optim.adadelta %g, %w, %s, %s, %lr, %wd, %rescale {rho = 9.000000e-01 : f64, epsilon = 1.000000e-06 : f64} :
  %w14, %n14, %a14 = optim.adadelta %g, %w, %s, %s, %lr, %wd, %rescale {rho = 0.9 : f64, epsilon = 1.0e-6 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w15, %z15, %n15 = optim.ftrl %g, %w, %s, %s, %lr, %wd, %rescale {lamda1 = 1.000000e-02 : f64, beta = 1.000000e+00 : f64} :
  %w15, %z15, %n15 = optim.ftrl %g, %w, %s, %s, %lr, %wd, %rescale {lamda1 = 0.01 : f64, beta = 1.0 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w16, %d16, %v16, %z16 = optim.ftml %g, %w, %s, %s, %s, %lr, %wd, %rescale, %lr, %lr {beta1 = 9.000000e-01 : f64, beta2 = 9.990000e-01 : f64, epsilon = 1.000000e-08 : f64} :
  %w16, %d16, %v16, %z16 = optim.ftml %g, %w, %s, %s, %s, %lr, %wd, %rescale, %lr, %lr {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  // CHECK: %w17, %m17, %s17 = optim.adabelief %g, %w, %s, %s, %lr, %wd, %rescale, %lr, %lr {beta1 = 9.000000e-01 : f64, beta2 = 9.990000e-01 : f64, epsilon = 1.000000e-06 : f64} :
  %w17, %m17, %s17 = optim.adabelief %g, %w, %s, %s, %lr, %wd, %rescale, %lr, %lr {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-6 : f64} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  func.return
}
