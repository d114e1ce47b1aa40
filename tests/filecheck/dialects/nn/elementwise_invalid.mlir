// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: attribute tensor<4xf32> expected from variable 'TENSOR', but got tensor<3xf32>
func.func @main(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  %0 = "nn.add"(%x, %y) : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  func.return
}

// -----

// CHECK: nn.div: expected floating-point elements, given tensor<4xi32>
func.func @main(%x: tensor<4xi32>) {
  %0 = nn.div %x, %x : tensor<4xi32>
  func.return
}

// -----

// CHECK: nn.exp: expected floating-point elements, given tensor<4xi32>
func.func @main(%x: tensor<4xi32>) {
  %0 = nn.exp %x : tensor<4xi32>
  func.return
}

// -----

// CHECK: nn.compare: unknown predicate 'less', expected one of eq, ne, lt, le, gt, ge
func.func @main(%x: tensor<4xf32>) {
  %0 = nn.compare less %x, %x : tensor<4xf32> -> tensor<4xi1>
  func.return
}

// -----

// CHECK: nn.compare: the result is (tensor<4xf32>), expected (tensor<4xi1>)
func.func @main(%x: tensor<4xf32>) {
  %0 = nn.compare lt %x, %x : tensor<4xf32> -> tensor<4xf32>
  func.return
}

// -----

// CHECK: nn.select: the mask must be tensor<4xi1>, given tensor<3xi1>
func.func @main(%m: tensor<3xi1>, %x: tensor<4xf32>) {
  %0 = nn.select %m, %x, %x : tensor<3xi1>, tensor<4xf32>
  func.return
}

// -----

// CHECK: nn.cast: the result is (tensor<4xi64>), expected (tensor<4xi32>)
func.func @main(%x: tensor<4xf32>) {
  %0 = nn.cast %x to i32 : tensor<4xf32> -> tensor<4xi64>
  func.return
}

// -----

// CHECK: nn.clamp: expected low <= high, given 2.0 and 1.0
func.func @main(%x: tensor<4xf32>) {
  %0 = nn.clamp %x {low = 2.0, high = 1.0} : tensor<4xf32>
  func.return
}

// -----

// CHECK: nn.constant: the result is (tensor<2xf32>), expected (tensor<3xf32>)
func.func @main() {
  %0 = "nn.constant"() <{value = 1.0 : f32, shape = array<i64: 3>}> : () -> tensor<2xf32>
  func.return
}

// -----

// CHECK: nn.floor: expected floating-point elements, given tensor<4xi32>
func.func @main(%x: tensor<4xi32>) {
  %0 = nn.floor %x : tensor<4xi32>
  func.return
}

// -----

// CHECK: nn.floor_div: expected integers, given tensor<4xf32>
func.func @main(%x: tensor<4xf32>) {
  %0 = nn.floor_div %x, %x : tensor<4xf32>
  func.return
}

// -----

// CHECK: nn.sub: expected numbers, given the masks tensor<4xi1>; cast them first
func.func @main(%m: tensor<4xi1>) {
  %0 = nn.sub %m, %m : tensor<4xi1>
  func.return
}

// -----

// CHECK: nn.neg: expected numbers, given the masks tensor<4xi1>; cast them first
func.func @main(%m: tensor<4xi1>) {
  %0 = nn.neg %m : tensor<4xi1>
  func.return
}
