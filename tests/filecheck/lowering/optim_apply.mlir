// RUN: nnc-opt %s -p 'optim-apply{rule=momentum momentum=0.5}' | filecheck %s
// RUN: nnc-opt %s -p 'optim-apply{rule=sgd}' | filecheck %s --check-prefix SGD
// RUN: nnc-opt %s -p 'optim-apply{rule=adam clip=true}' | filecheck %s --check-prefix ADAM
// RUN: nnc-opt %s -p 'optim-apply{rule=lamb upper_bound=10.0}' | filecheck %s --check-prefix LAMB
// RUN: nnc-opt %s -p 'optim-apply{rule=lars momentum=0.5 clip=true}' | filecheck %s --check-prefix LARS
// RUN: nnc-opt %s -p 'optim-apply{rule=ftrl lamda1=0.5}' | filecheck %s --check-prefix FTRL
// RUN: nnc-opt %s -p 'optim-apply{rule=nadam}' | filecheck %s --check-prefix NADAM

// Gradients become tied results; states are arguments of their own, scalars are shared.

// CHECK: func.func @main
// CHECK-SAME: {nnc.name = "momentum:w", nnc.role = "state"}
// CHECK-SAME: tensor<f32> {nnc.name = "lr", nnc.role = "scalar"}
// CHECK-SAME: tensor<f32> {nnc.name = "wd", nnc.role = "scalar"}
// CHECK-SAME: tensor<f32> {nnc.name = "rescale", nnc.role = "scalar"}
// CHECK-SAME: tensor<3xf32> {nnc.name = "momentum:b", nnc.role = "state"})
// CHECK-SAME: nnc.outputs = ["loss"], nnc.tied = array<i64: -1, 0, 3, 1, 7>
// CHECK: %[[W:.*]], %[[SW:.*]] = optim.momentum %dw, %w, %momentum_w, %lr, %wd, %rescale {momentum = 5.000000e-01 : f64}
// CHECK: %[[B:.*]], %[[SB:.*]] = optim.momentum %db, %b, %momentum_b, %lr, %wd, %rescale
// CHECK: func.return %loss, %[[W]], %[[SW]], %[[B]], %[[SB]]

// SGD: nnc.tied = array<i64: -1, 0, 1>
// SGD: optim.sgd %dw, %w, %lr, %wd, %rescale

// ADAM: optim.adam %dw, %w, %mean_w, %variance_w, %lr, %wd, %rescale, %correction1, %correction2, %clip

// FTRL: optim.ftrl %dw, %w, %linear_w, %square_sum_w, %lr, %wd, %rescale {lamda1 = 5.000000e-01 : f64, beta = 1.000000e+00 : f64}
// NADAM: optim.nadam %dw, %w, %mean_w, %variance_w, %lr, %wd, %rescale, %gradient_weight, %mean_weight, %correction2

// The rate is scaled by norms, a parameter's own.
// LAMB: nn.reduce sum
// LAMB: %[[SIZE:.*]] = nn.sqrt
// LAMB: %[[HELD:.*]] = nn.min %[[SIZE]], %{{.*}} : tensor<f32>
// LAMB: %[[D:.*]], %[[M:.*]], %[[V:.*]] = optim.adam_direction %dw, %w, %mean_w, %variance_w, %wd, %rescale, %correction1, %correction2
// LAMB: nn.reduce sum
// LAMB: %[[DIRECTION:.*]] = nn.sqrt
// LAMB: %[[RATIO:.*]] = nn.div %[[HELD]], %[[DIRECTION]] : tensor<f32>
// LAMB: %[[RATE:.*]] = nn.mul %lr, %{{.*}} : tensor<f32>
// LAMB: %[[WIDE:.*]] = nn.broadcast %[[RATE]]
// LAMB: %[[STEP:.*]] = nn.mul %[[WIDE]], %[[D]]
// LAMB: %[[W:.*]] = nn.sub %w, %[[STEP]]
// LAMB: func.return %loss, %[[W]], %[[M]], %[[V]],

// LARS: %[[RATE:.*]] = nn.mul %lr, %{{.*}} : tensor<f32>
// LARS: optim.momentum %dw, %w, %momentum_w, %[[RATE]], %wd, %rescale, %clip {momentum = 5.000000e-01 : f64}

func.func @main(%w: tensor<3xf32> {nnc.name = "w", nnc.role = "parameter"},
                %b: tensor<3xf32> {nnc.name = "b", nnc.role = "parameter"},
                %x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
    attributes {nnc.outputs = ["loss", "grad:w", "grad:b"]} {
  %loss = nn.exp %x : tensor<3xf32>
  %dw = nn.add %w, %x : tensor<3xf32>
  %db = nn.add %b, %x : tensor<3xf32>
  func.return %loss, %dw, %db : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}
