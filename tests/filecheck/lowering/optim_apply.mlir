// RUN: nnc-opt %s -p 'optim-apply{rule=momentum momentum=0.5}' | filecheck %s
// RUN: nnc-opt %s -p 'optim-apply{rule=sgd}' | filecheck %s --check-prefix SGD
// RUN: nnc-opt %s -p 'optim-apply{rule=adam clip=true}' | filecheck %s --check-prefix ADAM

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

func.func @main(%w: tensor<3xf32> {nnc.name = "w", nnc.role = "parameter"},
                %b: tensor<3xf32> {nnc.name = "b", nnc.role = "parameter"},
                %x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
    attributes {nnc.outputs = ["loss", "grad:w", "grad:b"]} {
  %loss = nn.exp %x : tensor<3xf32>
  %dw = nn.add %w, %x : tensor<3xf32>
  %db = nn.add %b, %x : tensor<3xf32>
  func.return %loss, %dw, %db : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}
