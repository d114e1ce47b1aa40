// RUN: nnc-opt %s -p 'graph,group,bufferize' | filecheck %s
// RUN: nnc-opt %s -p 'lower{target=c99}' -t c | filecheck %s --check-prefix TEXT

// A choice is a branch of the host program. Either body writes the result where it belongs, and
// what a body needs for itself lives in that body only.

// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[P:.*]] = buffer.load %p[] : memref<i1> -> i1
// CHECK-NEXT: scf.if %[[P]] {
// CHECK-NEXT: %m = buffer.alloc : memref<3x5xf32>
// CHECK-NEXT: kernel.launch @matmul ins(%x, %w{{.*}}) outs(%m
// CHECK-NEXT: kernel.launch @{{.*}} ins(%m, %w{{.*}}) outs(%output0
// CHECK-NEXT: } else {
// CHECK-NEXT: buffer.copy %x to %output0
// CHECK-NEXT: }
// CHECK-NEXT: func.return

// TEXT: int program(
// TEXT: int p_value = p[0];
// TEXT-NEXT: if (p_value) {
// TEXT-NEXT: float *m = (float *)arena;
// TEXT: }
// TEXT-NEXT: else {
// TEXT-NEXT: memcpy(output0, x, 15 * sizeof(float));
// TEXT-NEXT: }
// TEXT: return 0;
func.func @main(%p: tensor<i1>, %x: tensor<3x5xf32>, %w: tensor<5x5xf32>) -> tensor<3x5xf32> {
  %y = nn.cond %p captures (%a = %x : tensor<3x5xf32>, %b = %w : tensor<5x5xf32>) {
    %m = nn.matmul %a, %b : (tensor<3x5xf32>, tensor<5x5xf32>) -> tensor<3x5xf32>
    %t = nn.matmul %m, %b : (tensor<3x5xf32>, tensor<5x5xf32>) -> tensor<3x5xf32>
    nn.yield %t : tensor<3x5xf32>
  } else (%c, %d) {
    nn.yield %c : tensor<3x5xf32>
  }
  func.return %y : tensor<3x5xf32>
}
