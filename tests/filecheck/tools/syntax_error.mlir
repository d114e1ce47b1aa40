// RUN: not nnc-opt %s 2>&1 | filecheck %s

// CHECK:      nnc-opt: error: {{.*}}syntax_error.mlir:{{[0-9]+:[0-9]+}}
// CHECK-NEXT: frunc.func @f() {
// CHECK:      Operation frunc.func is not registered
// CHECK-NOT:  Traceback
frunc.func @f() {
}
