// RUN: not nnc-opt %s -p 'optim-apply{rule=adams}' 2>&1 | filecheck %s --check-prefix UNKNOWN
// RUN: not nnc-opt %s -p 'optim-apply{rule=sgd beta1=0.5}' 2>&1 | filecheck %s --check-prefix CONSTANT

// UNKNOWN: optim-apply: unknown rule 'adams', expected one of sgd, momentum, nag, signum, adam, adabelief, adamw
// CONSTANT: optim-apply: rule 'sgd' has no constant 'beta1'; it has none
func.func @main(%w: tensor<3xf32> {nnc.name = "w"}) -> tensor<3xf32>
    attributes {nnc.outputs = ["grad:w"]} {
  func.return %w : tensor<3xf32>
}
