// RUN: not nnc-opt %s --split-input-file -p infer-cpu 2>&1 | filecheck %s
// RUN: not nnc-opt %s --interpret 2>&1 | filecheck %s --check-prefix=INTERPRET

// Shapes are static; a program for every size is made outside of the compiler.
// CHECK: @main: argument 'x' is tensor<?x3xf32>; shapes must be static: write the sizes, and compile once for each
// INTERPRET: nnc-opt: error: 'x' is tensor<?x3xf32>, expected sizes that are known and at most 2147483648 elements
func.func @main(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  func.return %x : tensor<?x3xf32>
}
