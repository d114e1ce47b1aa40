// RUN: nnc-opt %s -p kernel-fuse --split-input-file | filecheck %s

// Bias and activation are the epilogue of a product; the product after it is a kernel of its own.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %b: tensor<6xf32>, %v: tensor<6x2xf32>) -> tensor<8x2xf32> {
  %z = nn.matmul %x, %w : (tensor<8x4xf32>, tensor<4x6xf32>) -> tensor<8x6xf32>
  %bs = nn.broadcast %b {dimensions = [1]} : tensor<6xf32> -> tensor<8x6xf32>
  %s = nn.add %z, %bs : tensor<8x6xf32>
  %h = nn.relu %s : tensor<8x6xf32>
  %y = nn.matmul %h, %v : (tensor<8x6xf32>, tensor<6x2xf32>) -> tensor<8x2xf32>
  func.return %y : tensor<8x2xf32>
}
// CHECK-NEXT: %h = kernel.group(%x, %w, %b)
// CHECK: nn.matmul
// CHECK-NEXT: nn.broadcast
// CHECK-NEXT: nn.add
// CHECK-NEXT: nn.relu
// CHECK-NEXT: kernel.return
// CHECK: %y = kernel.group(%h, %v)
// CHECK: nn.matmul

// -----

// What is needed outside too becomes another result; two products never share a kernel.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %v: tensor<6x2xf32>) -> (tensor<8x6xf32>, tensor<8x2xf32>) {
  %z = nn.matmul %x, %w : (tensor<8x4xf32>, tensor<4x6xf32>) -> tensor<8x6xf32>
  %h = nn.tanh %z : tensor<8x6xf32>
  %y = nn.matmul %h, %v : (tensor<8x6xf32>, tensor<6x2xf32>) -> tensor<8x2xf32>
  func.return %z, %y : tensor<8x6xf32>, tensor<8x2xf32>
}
// CHECK-NEXT: %z, %h = kernel.group(%x, %w)
// CHECK: kernel.return %{{.*}}, %{{.*}} : tensor<8x6xf32>, tensor<8x6xf32>
// CHECK: %y = kernel.group(%h, %v)

// -----

// Reductions of rows and what surrounds them are one kernel, through the broadcast back.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<8x6xf32>) -> tensor<8x6xf32> {
  %m = nn.reduce mean %x {axes = [1]} : tensor<8x6xf32> -> tensor<8xf32>
  %e = nn.exp %m : tensor<8xf32>
  %wide = nn.broadcast %e {dimensions = [0]} : tensor<8xf32> -> tensor<8x6xf32>
  %y = nn.mul %x, %wide : tensor<8x6xf32>
  func.return %y : tensor<8x6xf32>
}
// CHECK-NEXT: %y = kernel.group(%x)
// CHECK-NOT: kernel.group
// CHECK: return

// -----

// Rows and columns are different sweeps; what both read is written once, by one of them.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<8x6xf32>) -> (tensor<8xf32>, tensor<6xf32>) {
  %e = nn.exp %x : tensor<8x6xf32>
  %r = nn.reduce sum %e {axes = [1]} : tensor<8x6xf32> -> tensor<8xf32>
  %c = nn.reduce sum %e {axes = [0]} : tensor<8x6xf32> -> tensor<6xf32>
  func.return %r, %c : tensor<8xf32>, tensor<6xf32>
}
// CHECK-NEXT: %e, %r = kernel.group(%x)
// CHECK: nn.exp
// CHECK: %c = kernel.group(%e)
// CHECK-NOT: nn.exp

// -----

// Siblings: two reductions of one tensor read it once.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<8x6xf32>) -> (tensor<6xf32>, tensor<6xf32>) {
  %s = nn.reduce sum %x {axes = [0]} : tensor<8x6xf32> -> tensor<6xf32>
  %m = nn.reduce max %x {axes = [0]} : tensor<8x6xf32> -> tensor<6xf32>
  func.return %s, %m : tensor<6xf32>, tensor<6xf32>
}
// CHECK-NEXT: %s, %m = kernel.group(%x)
// CHECK-NOT: kernel.group

// -----

// Not convex: %a would leave the kernel, pass through the product and come back.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %a = nn.exp %x : tensor<4x4xf32>
  %b = nn.matmul %w, %a : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %c = nn.mul %a, %b : tensor<4x4xf32>
  func.return %c : tensor<4x4xf32>
}
// CHECK-NEXT: %a = kernel.group(%x)
// CHECK: %c = kernel.group(%w, %a)
// CHECK: nn.matmul
// CHECK: nn.mul

// -----

// A constant is copied into each kernel that reads it, a view stays outside, and a broadcast that
// a product reads has to be written.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x4xf32>, %b: tensor<4xf32>) -> (tensor<16xf32>, tensor<4x4xf32>) {
  %c = nn.constant 2.0 : tensor<4x4xf32>
  %a = nn.mul %x, %c : tensor<4x4xf32>
  %wide = nn.broadcast %b {dimensions = [1]} : tensor<4xf32> -> tensor<4x4xf32>
  %p = nn.matmul %a, %wide : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %q = nn.mul %p, %c : tensor<4x4xf32>
  %r = nn.reshape %a : tensor<4x4xf32> -> tensor<16xf32>
  func.return %r, %q : tensor<16xf32>, tensor<4x4xf32>
}
// CHECK-NEXT: %a = kernel.group(%x)
// CHECK: nn.constant
// CHECK: %wide = kernel.group(%b)
// CHECK: nn.broadcast
// CHECK: %q = kernel.group(%a, %wide)
// CHECK: nn.constant
// CHECK: %r = nn.reshape %a
// CHECK: func.return

// -----

// A result that is a constant stays one; a padded input is a kernel, a padded result a halo.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> (tensor<6xf32>, tensor<6xf32>, tensor<4xf32>) {
  %one = nn.constant 1.0 : tensor<4xf32>
  %a = nn.pad %x {low = [1], high = [1], value = 0.0} : tensor<4xf32> -> tensor<6xf32>
  %e = nn.exp %x : tensor<4xf32>
  %b = nn.pad %e {low = [1], high = [1], value = 0.0} : tensor<4xf32> -> tensor<6xf32>
  func.return %a, %b, %one : tensor<6xf32>, tensor<6xf32>, tensor<4xf32>
}
// CHECK-DAG: %one = nn.constant
// CHECK-DAG: %a = kernel.group(%x)
// CHECK-DAG: %e = kernel.group(%x)
// CHECK: %b = nn.pad %e
// CHECK: func.return %a, %b, %one

// -----

// A view has no kernel, so what it shows of a broadcast has to be written.

// CHECK-LABEL: func.func @main
func.func @main(%s: tensor<f32>, %y: tensor<2x2xf32>) -> (tensor<1x2xf32>, tensor<2x2xf32>) {
  %wide = nn.broadcast %s {dimensions = []} : tensor<f32> -> tensor<2x2xf32>
  %row = nn.slice %wide {starts = [1, 0], limits = [2, 2], strides = [1, 1]} : tensor<2x2xf32> -> tensor<1x2xf32>
  %z = nn.mul %y, %wide : tensor<2x2xf32>
  func.return %row, %z : tensor<1x2xf32>, tensor<2x2xf32>
}
// CHECK: %wide, %z = kernel.group(%s, %y)
// CHECK: %row = nn.slice %wide
