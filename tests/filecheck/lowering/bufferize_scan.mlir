// RUN: nnc-opt %s -p 'group,bufferize' | filecheck %s
// RUN: nnc-opt %s -p 'nn-gradient,dce,group,bufferize' | filecheck %s --check-prefix BACK

// A scan is a host loop: step t reads half t mod 2 of the state and writes the other one, views of
// the sequences are affine in t. What a step leaves behind in one place it copies to the other.

// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[H:.*]] = buffer.alloc : memref<2x3x6xf32>
// CHECK-NEXT: %[[FIRST:.*]] = buffer.view %[[H]][0, 0, 0]
// CHECK-NEXT: buffer.copy %h0 to %[[FIRST]]
// CHECK-NEXT: loop.for %[[T:.*]] to 5 {
// CHECK-NEXT: %[[NOW:.*]] = buffer.view %[[H]][%[[T]] mod 2, 0, 0]
// CHECK-NEXT: %[[X:.*]] = buffer.view %xs[%[[T]], 0, 0]
// CHECK-NEXT: %[[NEXT:.*]] = buffer.view %[[H]][(%[[T]] + 1) mod 2, 0, 0]
// CHECK-NEXT: %[[Y:.*]] = buffer.view %ys[%[[T]], 0, 0]
// CHECK-NEXT: %a = buffer.alloc : memref<3x6xf32>
// CHECK-NEXT: kernel.launch @matmul ins(%[[X]], %w{{.*}}) outs(%a
// CHECK-NEXT: kernel.launch @matmul_tanh ins(%[[NOW]], %u, %a{{.*}}) outs(%[[NEXT]]
// CHECK-NEXT: buffer.copy %[[NEXT]] to %[[Y]]
// CHECK-NEXT: loop.yield
// CHECK-NEXT: }
// CHECK-NEXT: %[[LAST:.*]] = buffer.view %[[H]][1, 0, 0]
// CHECK-NEXT: buffer.copy %[[LAST]] to %last

// The gradient runs the other way. The forward loop keeps all states, so that the states before and
// after each step are two views of one buffer, and no copies. The sums of the captured weights'
// gradients are one buffer each, written in place.

// BACK: %[[H:.*]] = buffer.alloc : memref<6x3x6xf32>
// BACK: %[[BEFORE:.*]] = buffer.view %[[H]][0, 0, 0] : memref<6x3x6xf32> to memref<5x3x6xf32>
// BACK-NEXT: %[[AFTER:.*]] = buffer.view %[[H]][1, 0, 0] : memref<6x3x6xf32> to memref<5x3x6xf32>
// BACK-NEXT: loop.for %[[S:.*]] to 5 {
// BACK-NEXT: buffer.view %[[H]][%[[S]], 0, 0]
// BACK: buffer.view %[[H]][%[[S]] + 1, 0, 0]
// BACK: %[[W:.*]] = buffer.alloc : memref<1x6x4xf32>
// BACK: buffer.fill
// BACK: %[[U:.*]] = buffer.alloc : memref<1x6x6xf32>
// BACK: loop.for %[[T:.*]] to 5 {
// BACK: %[[DW:.*]] = buffer.view %[[W]][0, 0, 0]
// BACK-NEXT: %[[DU:.*]] = buffer.view %[[U]][0, 0, 0]
// BACK: buffer.view %[[BEFORE]][(%[[T]] * -1) + 4, 0, 0]
// BACK: buffer.view %xs[(%[[T]] * -1) + 4, 0, 0]
// BACK-NOT: buffer.copy
// BACK: kernel.launch @matmul_2 {{.*}} inouts(%[[DU]]
// BACK-NEXT: kernel.launch @matmul_3 {{.*}} inouts(%[[DW]]
// BACK-NEXT: loop.yield
func.func @main(%xs: tensor<5x3x4xf32>, %h0: tensor<3x6xf32>,
                %w: tensor<6x4xf32> {nnc.role = "parameter"},
                %u: tensor<6x6xf32> {nnc.role = "parameter"}) -> (tensor<5x3x6xf32>, tensor<3x6xf32>)
    attributes {nnc.outputs = ["ys", "last"]} {
  %last, %ys = nn.scan 5 carry (%h = %h0 : tensor<3x6xf32>) slices (%x = %xs : tensor<5x3x4xf32>) captures (%wi = %w : tensor<6x4xf32>, %wh = %u : tensor<6x6xf32>) {
    %a = nn.matmul %x, %wi {transpose_rhs} : (tensor<3x4xf32>, tensor<6x4xf32>) -> tensor<3x6xf32>
    %b = nn.matmul %h, %wh {transpose_rhs} : (tensor<3x6xf32>, tensor<6x6xf32>) -> tensor<3x6xf32>
    %s = nn.add %a, %b : tensor<3x6xf32>
    %n = nn.tanh %s : tensor<3x6xf32>
    nn.yield %n, %n : tensor<3x6xf32>, tensor<3x6xf32>
  }
  func.return %ys, %last : tensor<5x3x6xf32>, tensor<3x6xf32>
}
