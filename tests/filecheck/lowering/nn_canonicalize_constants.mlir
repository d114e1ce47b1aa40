// RUN: nnc-opt %s -p nn-canonicalize --split-input-file | filecheck %s

// What is known when compiling is computed then: here the factor that a mean leaves of a cotangent.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %one = nn.constant 1.0 : tensor<2xf32>
  %n = nn.constant 4.0 : tensor<2xf32>
  %q = nn.div %one, %n : tensor<2xf32>
  %wide = nn.broadcast %q {dimensions = [0]} : tensor<2xf32> -> tensor<2x4xf32>
  %y = nn.mul %x, %wide : tensor<2x4xf32>
  func.return %y : tensor<2x4xf32>
}
// CHECK-NEXT: %[[Q:.*]] = nn.constant 2.500000e-01 : tensor<2x4xf32>
// CHECK-NEXT: nn.mul %x, %[[Q]]

// -----

// Neutral operands vanish; from the left only where the operation commutes.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = nn.constant 0.0 : tensor<4xf32>
  %one = nn.constant 1.0 : tensor<4xf32>
  %a = nn.add %zero, %x : tensor<4xf32>
  %b = nn.mul %a, %one : tensor<4xf32>
  %c = nn.sub %b, %zero : tensor<4xf32>
  %d = nn.div %c, %one : tensor<4xf32>
  func.return %d : tensor<4xf32>
}
// CHECK-NEXT: func.return %x

// -----

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = nn.constant 0.0 : tensor<4xf32>
  %one = nn.constant 1.0 : tensor<4xf32>
  %a = nn.sub %zero, %x : tensor<4xf32>
  %b = nn.div %one, %a : tensor<4xf32>
  %c = nn.mul %b, %zero : tensor<4xf32>
  func.return %c : tensor<4xf32>
}
// 0 - x is not x, 1 / x is not x, and 0 * x is not 0 where x is infinite.
// CHECK: nn.sub
// CHECK: nn.div
// CHECK: nn.mul

// -----

// Moves and reductions of one value.

// CHECK-LABEL: func.func @main
func.func @main() -> (tensor<6xf32>, tensor<2xf32>, tensor<2xf32>) {
  %c = nn.constant 3.0 : tensor<2x3xf32>
  %r = nn.reshape %c : tensor<2x3xf32> -> tensor<6xf32>
  %s = nn.reduce sum %c {axes = [1]} : tensor<2x3xf32> -> tensor<2xf32>
  %m = nn.reduce mean %c {axes = [1]} : tensor<2x3xf32> -> tensor<2xf32>
  func.return %r, %s, %m : tensor<6xf32>, tensor<2xf32>, tensor<2xf32>
}
// CHECK-DAG: %[[R:.*]] = nn.constant 3.000000e+00 : tensor<6xf32>
// CHECK-DAG: %[[S:.*]] = nn.constant 9.000000e+00 : tensor<2xf32>
// CHECK-DAG: %[[M:.*]] = nn.constant 3.000000e+00 : tensor<2xf32>
// CHECK: func.return %[[R]], %[[S]], %[[M]]

// -----

// A border of another value, and integers that may wrap around, are left alone.

// CHECK-LABEL: func.func @main
func.func @main() -> (tensor<4xf32>, tensor<2xi32>) {
  %c = nn.constant 3.0 : tensor<2xf32>
  %p = nn.pad %c {low = [1], high = [1], value = 0.0} : tensor<2xf32> -> tensor<4xf32>
  %i = nn.constant 2147483647 : tensor<2xi32>
  %j = nn.add %i, %i : tensor<2xi32>
  func.return %p, %j : tensor<4xf32>, tensor<2xi32>
}
// CHECK: nn.pad
// CHECK: nn.add
