// RUN: not nnc-opt %s -p canonicalise 2>&1 | filecheck %s --check-prefix=PASS
// RUN: not nnc-opt %s -p 'cse{deep=true}' 2>&1 | filecheck %s --check-prefix=OPTION
// RUN: not nnc-opt %s -p 'group{targte=avx2}' 2>&1 | filecheck %s --check-prefix=PIPELINE
// RUN: not nnc-opt %s -p 'cse,,dce' 2>&1 | filecheck %s --check-prefix=TEXT
// RUN: not nnc-opt %s -t 'mlir{print-generic=true}' 2>&1 | filecheck %s --check-prefix=TARGET
// RUN: not nnc-opt %s.missing 2>&1 | filecheck %s --check-prefix=FILE

// PASS: nnc-opt: error: unknown pass 'canonicalise'; did you mean canonicalize
// PASS-NOT: Traceback
// OPTION: nnc-opt: error: pass 'cse' has no option 'deep'; it has none
// PIPELINE: nnc-opt: error: pipeline 'group' has no option 'targte'; did you mean target?
// TEXT: nnc-opt: error: in the pipeline 'cse,,dce':
// TEXT: Expected pass name here
// TARGET: nnc-opt: error: target 'mlir' has no option 'print-generic'; did you mean print-generic-format
// FILE: nnc-opt: error: {{.*}}.missing: No such file or directory
func.func @f() {
  func.return
}
