// RUN: nnc-opt %s --interpret --outputs %t.npz | filecheck %s
// RUN: nnc-opt %s --interpret --inputs %t.npz --function next | filecheck %s --check-prefix=GIVEN
// RUN: not nnc-opt %s --interpret --function nothing 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not nnc-opt %s --interpret --inputs %t.npz --function narrow 2>&1 | filecheck %s --check-prefix=SHAPE

// Results have names; what one run writes another can read.
// CHECK:      loss: float32 2x3
// CHECK-NEXT:   {{\[\[}}7. 7. 7.]
// CHECK-NEXT:    [7. 7. 7.]]
// CHECK-NEXT: x: float32 2x3
func.func @main(%x: tensor<2x3xf32> {nnc.name = "x", nnc.role = "parameter"}) -> (tensor<2x3xf32>, tensor<2x3xf32>)
    attributes {nnc.tied = array<i64: -1, 0>, nnc.outputs = ["loss"]} {
  %0 = nn.constant 7.0 : tensor<2x3xf32>
  %1 = nn.add %x, %0 : tensor<2x3xf32>
  func.return %0, %1 : tensor<2x3xf32>, tensor<2x3xf32>
}

// GIVEN: output0: float32 2x3
// GIVEN:   {{\[\[}}49. 49. 49.]
func.func @next(%loss: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.mul %loss, %loss : tensor<2x3xf32>
  func.return %0 : tensor<2x3xf32>
}

// SHAPE: nnc-opt: error: 'loss' has shape (3,), given (2, 3)
func.func @narrow(%loss: tensor<3xf32>) -> tensor<3xf32> {
  func.return %loss : tensor<3xf32>
}

// UNKNOWN: nnc-opt: error: the module has no function @nothing; it has @main, @next, @narrow
