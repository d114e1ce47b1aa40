// RUN: %roundtrip

// CHECK-LABEL: func.func @constants
func.func @constants() {
  // CHECK-NEXT: %half = nn.constant 5.000000e-01 : tensor<4xf32>
  %half = nn.constant 0.5 : tensor<4xf32>
  // CHECK-NEXT: %inf = nn.constant -inf : tensor<f32>
  %inf = nn.constant -inf : tensor<f32>
  // CHECK-NEXT: %three = nn.constant -3 : tensor<2x2xi64>
  %three = nn.constant -3 : tensor<2x2xi64>
  // CHECK-NEXT: %mask = nn.constant true : tensor<2xi1>
  %mask = nn.constant true : tensor<2xi1>
  // CHECK-NEXT: %listed = nn.constant dense<[1, 2, 4]> : tensor<3xi32>
  %listed = nn.constant dense<[1, 2, 4]> : tensor<3xi32>
  // CHECK-NEXT: func.return
  func.return
}

// CHECK-LABEL: func.func @two_operands
func.func @two_operands(%x: tensor<4xf32>, %y: tensor<4xf32>, %m: tensor<4xi1>, %i: tensor<4xi32>) {
  // CHECK-NEXT: %0 = nn.add %x, %y : tensor<4xf32>
  %0 = nn.add %x, %y : tensor<4xf32>
  // CHECK-NEXT: %1 = nn.sub %x, %y : tensor<4xf32>
  %1 = nn.sub %x, %y : tensor<4xf32>
  // CHECK-NEXT: %2 = nn.mul %x, %y : tensor<4xf32>
  %2 = nn.mul %x, %y : tensor<4xf32>
  // CHECK-NEXT: %3 = nn.div %x, %y : tensor<4xf32>
  %3 = nn.div %x, %y : tensor<4xf32>
  // CHECK-NEXT: %4 = nn.pow %x, %y : tensor<4xf32>
  %4 = nn.pow %x, %y : tensor<4xf32>
  // CHECK-NEXT: %5 = nn.max %x, %y : tensor<4xf32>
  %5 = nn.max %x, %y : tensor<4xf32>
  // CHECK-NEXT: %6 = nn.min %x, %y : tensor<4xf32>
  %6 = nn.min %x, %y : tensor<4xf32>
  // CHECK-NEXT: %mod = nn.mod %x, %y : tensor<4xf32>
  %mod = nn.mod %x, %y : tensor<4xf32>
  // CHECK-NEXT: %quotient = nn.floor_div %i, %i : tensor<4xi32>
  %quotient = nn.floor_div %i, %i : tensor<4xi32>
  // CHECK-NEXT: %7 = nn.compare ge %x, %y : tensor<4xf32> -> tensor<4xi1>
  %7 = nn.compare ge %x, %y : tensor<4xf32> -> tensor<4xi1>
  // CHECK-NEXT: %8 = nn.select %m, %x, %y : tensor<4xi1>, tensor<4xf32>
  %8 = nn.select %m, %x, %y : tensor<4xi1>, tensor<4xf32>
  // CHECK-NEXT: func.return
  func.return
}

// CHECK-LABEL: func.func @one_operand
func.func @one_operand(%x: tensor<2x3xf32>) {
  // CHECK-NEXT: %0 = nn.neg %x : tensor<2x3xf32>
  %0 = nn.neg %x : tensor<2x3xf32>
  // CHECK-NEXT: %1 = nn.exp %x : tensor<2x3xf32>
  %1 = nn.exp %x : tensor<2x3xf32>
  // CHECK-NEXT: %2 = nn.log %x : tensor<2x3xf32>
  %2 = nn.log %x : tensor<2x3xf32>
  // CHECK-NEXT: %3 = nn.abs %x : tensor<2x3xf32>
  %3 = nn.abs %x : tensor<2x3xf32>
  // CHECK-NEXT: %4 = nn.sign %x : tensor<2x3xf32>
  %4 = nn.sign %x : tensor<2x3xf32>
  // CHECK-NEXT: %5 = nn.sqrt %x : tensor<2x3xf32>
  %5 = nn.sqrt %x : tensor<2x3xf32>
  // CHECK-NEXT: %6 = nn.rsqrt %x : tensor<2x3xf32>
  %6 = nn.rsqrt %x : tensor<2x3xf32>
  // CHECK-NEXT: %7 = nn.sin %x : tensor<2x3xf32>
  %7 = nn.sin %x : tensor<2x3xf32>
  // CHECK-NEXT: %8 = nn.cos %x : tensor<2x3xf32>
  %8 = nn.cos %x : tensor<2x3xf32>
  // CHECK-NEXT: %9 = nn.erf %x : tensor<2x3xf32>
  %9 = nn.erf %x : tensor<2x3xf32>
  // CHECK-NEXT: %10 = nn.tanh %x : tensor<2x3xf32>
  %10 = nn.tanh %x : tensor<2x3xf32>
  // CHECK-NEXT: %11 = nn.sigmoid %x : tensor<2x3xf32>
  %11 = nn.sigmoid %x : tensor<2x3xf32>
  // CHECK-NEXT: %12 = nn.relu %x : tensor<2x3xf32>
  %12 = nn.relu %x : tensor<2x3xf32>
  // CHECK-NEXT: %13 = nn.silu %x : tensor<2x3xf32>
  %13 = nn.silu %x : tensor<2x3xf32>
  // CHECK-NEXT: %14 = nn.gelu %x : tensor<2x3xf32>
  %14 = nn.gelu %x : tensor<2x3xf32>
  // CHECK-NEXT: %atan = nn.atan %x : tensor<2x3xf32>
  %atan = nn.atan %x : tensor<2x3xf32>
  // CHECK-NEXT: %expm1 = nn.expm1 %x : tensor<2x3xf32>
  %expm1 = nn.expm1 %x : tensor<2x3xf32>
  // CHECK-NEXT: %log1p = nn.log1p %x : tensor<2x3xf32>
  %log1p = nn.log1p %x : tensor<2x3xf32>
  // CHECK-NEXT: %floor = nn.floor %x : tensor<2x3xf32>
  %floor = nn.floor %x : tensor<2x3xf32>
  // CHECK-NEXT: %round = nn.round %x : tensor<2x3xf32>
  %round = nn.round %x : tensor<2x3xf32>
  // CHECK-NEXT: %15 = nn.clamp %x {low = -1.000000e+00, high = 2.500000e-01} : tensor<2x3xf32>
  %15 = nn.clamp %x {low = -1.0, high = 0.25} : tensor<2x3xf32>
  // CHECK-NEXT: %16 = nn.cast %x to i32 : tensor<2x3xf32> -> tensor<2x3xi32>
  %16 = nn.cast %x to i32 : tensor<2x3xf32> -> tensor<2x3xi32>
  // CHECK-NEXT: func.return
  func.return
}
