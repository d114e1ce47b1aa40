// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Each piece is a module of its own, and the tool goes on after one that does not verify.
// CHECK-LABEL: func.func @first
func.func @first() {
  func.return
}

// -----

// CHECK: Expected arguments to have the same types as the function output types
func.func @wrong_result(%x: f32) -> i32 {
  func.return %x : f32
}

// -----

// CHECK-LABEL: func.func @third
func.func @third() {
  func.return
}
