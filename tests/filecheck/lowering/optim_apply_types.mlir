// RUN: nnc-opt %s -p 'optim-apply{rule=sgd}' | filecheck %s

// Parameters of another type have scalars of their own, by names of their own.

// CHECK: func.func @main
// CHECK-SAME: %lr: tensor<f32> {nnc.name = "lr", nnc.role = "scalar"}
// CHECK-SAME: tensor<f32> {nnc.name = "wd", nnc.role = "scalar"}
// CHECK-SAME: %lr_f64: tensor<f64> {nnc.name = "lr:f64", nnc.role = "scalar"}
// CHECK-SAME: tensor<f64> {nnc.name = "wd:f64", nnc.role = "scalar"}
// CHECK: optim.sgd %dw, %w, %lr, %wd, %rescale
// CHECK: optim.sgd %db, %b, %lr_f64, %wd_f64, %rescale_f64
func.func @main(%w: tensor<3xf32> {nnc.name = "w", nnc.role = "parameter"},
                %b: tensor<3xf64> {nnc.name = "b", nnc.role = "parameter"})
    -> (tensor<3xf32>, tensor<3xf64>)
    attributes {nnc.outputs = ["grad:w", "grad:b"]} {
  %dw = nn.add %w, %w : tensor<3xf32>
  %db = nn.add %b, %b : tensor<3xf64>
  func.return %dw, %db : tensor<3xf32>, tensor<3xf64>
}
