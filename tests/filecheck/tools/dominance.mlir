// RUN: nnc-opt %s --verify-diagnostics | filecheck %s

// xDSL's own verifier accepts a use before its definition.
// CHECK: arith.addf in @early: operand 1 (%y, the result of arith.mulf) is not defined before it
func.func @early(%x: f32) -> f32 {
  %z = arith.addf %x, %y : f32
  %y = arith.mulf %x, %x : f32
  func.return %z : f32
}
