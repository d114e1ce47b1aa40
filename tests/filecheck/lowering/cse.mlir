// RUN: nnc-opt %s -p cse --split-input-file | filecheck %s

// The second product is the first, once the second sum is the first.
// CHECK-LABEL: func.func @main
// CHECK-NEXT:    %a = nn.add %x, %y
// CHECK-NEXT:    %p = nn.mul %a, %y
// CHECK-NEXT:    func.return %p, %p
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %a = nn.add %x, %y : tensor<4xf32>
  %b = nn.add %x, %y : tensor<4xf32>
  %p = nn.mul %a, %y : tensor<4xf32>
  %q = nn.mul %b, %y : tensor<4xf32>
  func.return %p, %q : tensor<4xf32>, tensor<4xf32>
}

// -----

// Properties, types and the order of operands tell ops apart.
// CHECK-LABEL: func.func @main
// CHECK-NEXT:    nn.reduce sum %x {axes = [0]}
// CHECK-NEXT:    nn.reduce sum %x {axes = [1]}
// CHECK-NEXT:    nn.reshape %x : tensor<4x4xf32> -> tensor<16xf32>
// CHECK-NEXT:    nn.reshape %x : tensor<4x4xf32> -> tensor<2x8xf32>
// CHECK-NEXT:    nn.sub %x, %y
// CHECK-NEXT:    nn.sub %y, %x
// CHECK-NEXT:    func.return
func.func @main(%x: tensor<4x4xf32>, %y: tensor<4x4xf32>)
    -> (tensor<4xf32>, tensor<4xf32>, tensor<16xf32>, tensor<2x8xf32>, tensor<4x4xf32>, tensor<4x4xf32>) {
  %a = nn.reduce sum %x {axes = [0]} : tensor<4x4xf32> -> tensor<4xf32>
  %b = nn.reduce sum %x {axes = [1]} : tensor<4x4xf32> -> tensor<4xf32>
  %c = nn.reshape %x : tensor<4x4xf32> -> tensor<16xf32>
  %d = nn.reshape %x : tensor<4x4xf32> -> tensor<2x8xf32>
  %e = nn.sub %x, %y : tensor<4x4xf32>
  %f = nn.sub %y, %x : tensor<4x4xf32>
  func.return %a, %b, %c, %d, %e, %f
    : tensor<4xf32>, tensor<4xf32>, tensor<16xf32>, tensor<2x8xf32>, tensor<4x4xf32>, tensor<4x4xf32>
}

// -----

// A loop sees the constant before it. A load stays where something may be written in between, and
// in another block; another kernel sees nothing of this one.
// CHECK-LABEL: kernel.func @loads
// CHECK-NEXT:    %one = arith.constant
// CHECK-NEXT:    %a = buffer.load %x[0]
// CHECK-NEXT:    loop.for %i to 4 {
// CHECK-NEXT:      %c = buffer.load %x[0]
// CHECK-NEXT:      %s = arith.addf %c, %c
// CHECK-NEXT:      %t = arith.addf %s, %one
// CHECK-NEXT:      buffer.store %t, %y[%i]
// CHECK-NEXT:      %e = buffer.load %x[0]
// CHECK-NEXT:      buffer.store %e, %y[%i]
// CHECK-NEXT:      loop.yield
// CHECK-NEXT:    }
// CHECK-NEXT:    buffer.store %a, %y[0]
// CHECK-LABEL: kernel.func @other
// CHECK-NEXT:    %one = arith.constant
kernel.func @loads(%x: memref<4xf32>, %y: memref<4xf32>) outs 1 {
  %one = arith.constant 1.0 : f32
  %a = buffer.load %x[0] : memref<4xf32> -> f32
  %b = buffer.load %x[0] : memref<4xf32> -> f32
  loop.for %i to 4 {
    %two = arith.constant 1.0 : f32
    %c = buffer.load %x[0] : memref<4xf32> -> f32
    %d = buffer.load %x[0] : memref<4xf32> -> f32
    %s = arith.addf %c, %d : f32
    %t = arith.addf %s, %two : f32
    buffer.store %t, %y[%i] : f32 to memref<4xf32>
    %e = buffer.load %x[0] : memref<4xf32> -> f32
    buffer.store %e, %y[%i] : f32 to memref<4xf32>
    loop.yield
  }
  buffer.store %b, %y[0] : f32 to memref<4xf32>
  kernel.return
}
kernel.func @other(%y: memref<4xf32>) outs 1 {
  %one = arith.constant 1.0 : f32
  buffer.store %one, %y[0] : f32 to memref<4xf32>
  kernel.return
}
