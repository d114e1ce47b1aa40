// RUN: nnc-opt %s -p 'group{target=avx512},bufferize' --split-input-file | filecheck %s

// Outputs are arguments, temporaries are allocations, the arena is last. A temporary that dies in
// a launch is written over when the kernel reads each element before it writes it.

// CHECK-LABEL: func.func @main
// CHECK-SAME: (%x: memref<4x4xf32> {nnc.name = "x"}, %y: memref<4x4xf32> {nnc.name = "y", nnc.role = "output"}, %arena: memref<0xi8> {nnc.name = "arena", nnc.arena})
// CHECK-NOT: nnc.outputs
func.func @main(%x: tensor<4x4xf32> {nnc.name = "x"}) -> tensor<4x4xf32> attributes {nnc.outputs = ["y"]} {
  %a = nn.matmul %x, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %s = nn.softmax %a {axis = 1} : tensor<4x4xf32>
  %b = nn.matmul %s, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  func.return %b : tensor<4x4xf32>
}
// CHECK-NEXT: %a = buffer.alloc : memref<4x4xf32>
// CHECK-NEXT: kernel.launch @matmul ins(%x{{.*}}) outs(%a : memref<4x4xf32>)
// CHECK-NEXT: kernel.launch @softmax inouts(%a : memref<4x4xf32>)
// CHECK-NEXT: kernel.launch @matmul_1 ins(%a, %x{{.*}}) outs(%y : memref<4x4xf32>)
// CHECK-NEXT: func.return

// CHECK: kernel.func @softmax(%[[A:.*]]: memref<4x4xf32>) inouts 1
// CHECK-NEXT: %[[T:.*]] = buffer.to_tensor %[[A]]
// CHECK-NEXT: %[[S:.*]] = nn.softmax %[[T]]
// CHECK-NEXT: buffer.materialize %[[S]] in %[[A]]
// CHECK-NEXT: kernel.return

// -----

// An update takes the place of its parameter. The product reads %w before; no copy is left.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>, %lr: tensor<f32>) -> (tensor<4x4xf32>, tensor<4x4xf32>)
    attributes {nnc.outputs = ["y"], nnc.tied = array<i64: -1, 1>} {
  %y = nn.matmul %x, %w : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %g = nn.matmul %x, %y {transpose_lhs} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %w1 = optim.sgd %g, %w, %lr, %lr, %lr : (tensor<4x4xf32>, tensor<4x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<4x4xf32>
  func.return %y, %w1 : tensor<4x4xf32>, tensor<4x4xf32>
}
// CHECK: kernel.launch @matmul ins(%x, %w{{.*}}) outs(%y :
// CHECK-NEXT: kernel.launch @matmul_sgd ins(%x, %y, %lr{{.*}}) inouts(%w : memref<4x4xf32>)
// CHECK-NEXT: func.return

// -----

// Refused: the product itself reads what it would write over, so the result is copied at the end.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>, %lr: tensor<f32>) -> tensor<4x4xf32>
    attributes {nnc.tied = array<i64: 1>} {
  %g = nn.matmul %x, %w {transpose_lhs} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %w1 = optim.sgd %g, %w, %lr, %lr, %lr : (tensor<4x4xf32>, tensor<4x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<4x4xf32>
  func.return %w1 : tensor<4x4xf32>
}
// CHECK: %[[W1:.*]] = buffer.alloc
// CHECK: kernel.launch @matmul_sgd ins(%x, %w{{.*}}) outs(%[[W1]] :
// CHECK-NEXT: buffer.copy %[[W1]] to %w

// -----

// Refused: someone reads the old value afterwards. The residual of the second product is donated.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x4xf32>, %s: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>)
    attributes {nnc.outputs = ["y"], nnc.tied = array<i64: -1, 1>} {
  %p = nn.matmul %x, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %s1 = nn.add %p, %s : tensor<4x4xf32>
  %q = nn.matmul %s1, %s : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  func.return %q, %s1 : tensor<4x4xf32>, tensor<4x4xf32>
}
// CHECK: %[[S1:.*]] = buffer.alloc
// CHECK-NEXT: kernel.launch @matmul{{.*}} ins(%x, %s{{.*}}) outs(%[[S1]] :
// CHECK-NEXT: kernel.launch @matmul{{.*}} ins(%[[S1]], %s{{.*}}) outs(%y :
// CHECK-NEXT: buffer.copy %[[S1]] to %s

// -----

// One kernel, donating in one launch and not in the other, is two.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x4xf32>, %s: tensor<4x4xf32>, %r: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>)
    attributes {nnc.outputs = ["y"], nnc.tied = array<i64: -1, 1>} {
  %p = nn.matmul %x, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %s1 = nn.add %p, %s : tensor<4x4xf32>
  %q = nn.matmul %x, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %r1 = nn.add %q, %r : tensor<4x4xf32>
  func.return %r1, %s1 : tensor<4x4xf32>, tensor<4x4xf32>
}
// CHECK: kernel.launch @[[F:.*]] ins(%x{{.*}}) inouts(%s :
// CHECK-NEXT: kernel.launch @[[F]]_variant1 ins(%x, %r{{.*}}) outs(%y :
// CHECK: kernel.func @[[F]](
// CHECK-SAME: inouts 1
// CHECK: kernel.func @[[F]]_variant1(
// CHECK-SAME: outs 1

// -----

// A halo: the producer writes the interior, whose border is set before; other readers see a view.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<1x2x4x4xf32>, %k: tensor<2x2x3x3xf32>) -> (tensor<1x2x4x4xf32>, tensor<2xf32>) {
  %e = nn.exp %x : tensor<1x2x4x4xf32>
  %p = nn.pad %e {low = [0, 0, 1, 1], high = [0, 0, 1, 1], value = 0.0} : tensor<1x2x4x4xf32> -> tensor<1x2x6x6xf32>
  %c = nn.conv %p, %k {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<1x2x6x6xf32>, tensor<2x2x3x3xf32>) -> tensor<1x2x4x4xf32>
  %s = nn.reduce sum %e {axes = [0, 2, 3]} : tensor<1x2x4x4xf32> -> tensor<2xf32>
  func.return %c, %s : tensor<1x2x4x4xf32>, tensor<2xf32>
}
// CHECK: %[[P:.*]] = buffer.alloc : memref<1x2x6x6xf32>
// CHECK-NEXT: buffer.fill_border %[[P]] low [0, 0, 1, 1] high [0, 0, 1, 1] with 0.000000e+00
// CHECK-NEXT: %e = buffer.view %[[P]][0, 0, 1, 1] : memref<1x2x6x6xf32> to memref<1x2x4x4xf32, strided<[72, 36, 6, 1]>>
// CHECK-NEXT: kernel.launch @{{.*}} ins(%x :{{.*}}) outs(%e, %output1 :
// CHECK-NEXT: kernel.launch @conv ins(%[[P]], %k :

// -----

// Both operands of a concat are written where they belong; an argument is copied there.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x3xf32>, %y: tensor<2x3xf32>) -> (tensor<2x9xf32>) attributes {nnc.outputs = ["z"]} {
  %a = nn.exp %x : tensor<2x3xf32>
  %b = nn.matmul %a, %a {transpose_rhs} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x2xf32>
  %t = nn.matmul %b, %y : (tensor<2x2xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %z = nn.concat %a, %t, %y {axis = 1} : (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x9xf32>
  func.return %z : tensor<2x9xf32>
}
// CHECK-NEXT: %a = buffer.view %z[0, 0] : memref<2x9xf32> to memref<2x3xf32, strided<[9, 1]>>
// CHECK-NEXT: kernel.launch @exp ins(%x :{{.*}}) outs(%a :
// CHECK: %t = buffer.view %z[0, 3] : memref<2x9xf32> to memref<2x3xf32, strided<[9, 1]>>
// CHECK: outs(%t :
// CHECK-NEXT: %[[Y:.*]] = buffer.view %z[0, 6]
// CHECK-NEXT: buffer.copy %y to %[[Y]]

// -----

// Arguments that change places, and an output that is the old value.

// CHECK-LABEL: func.func @main
func.func @main(%a: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
    attributes {nnc.outputs = ["old"], nnc.tied = array<i64: 1, 0, -1>} {
  func.return %a, %b, %a : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
// CHECK-NEXT: %[[A:.*]] = buffer.alloc
// CHECK-NEXT: buffer.copy %a to %[[A]]
// CHECK-NEXT: %[[B:.*]] = buffer.alloc
// CHECK-NEXT: buffer.copy %b to %[[B]]
// CHECK-NEXT: buffer.copy %a to %old
// CHECK-NEXT: buffer.copy %[[A]] to %b
// CHECK-NEXT: buffer.copy %[[B]] to %a

// -----

// State that changes in the forward pass is a tied result: batch statistics, a running mean.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<8x3xf32>, %gamma: tensor<3xf32>, %beta: tensor<3xf32>, %running: tensor<3xf32>) -> (tensor<8x3xf32>, tensor<3xf32>)
    attributes {nnc.outputs = ["y"], nnc.tied = array<i64: -1, 3>} {
  %y, %mean, %variance = nn.batch_norm %x, %gamma, %beta {epsilon = 1.0e-5} : (tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>)
  %keep = nn.constant 0.9 : tensor<3xf32>
  %take = nn.constant 0.1 : tensor<3xf32>
  %kept = nn.mul %running, %keep : tensor<3xf32>
  %taken = nn.mul %mean, %take : tensor<3xf32>
  %next = nn.add %kept, %taken : tensor<3xf32>
  func.return %y, %next : tensor<8x3xf32>, tensor<3xf32>
}
// CHECK-NEXT: kernel.launch @batch_norm ins(%x, %gamma, %beta :{{.*}}) outs(%y :{{.*}}) inouts(%running :
// CHECK-NEXT: func.return
