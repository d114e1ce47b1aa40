// RUN: nnc-opt %s -p kernel-fuse,kernel-outline | filecheck %s

// Two layers of one shape are one kernel, whatever their names and lines; a third shape is another.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<8x4xf32>, %w: tensor<4x4xf32>, %a: tensor<4xf32>, %v: tensor<4x4xf32>, %b: tensor<4xf32>, %u: tensor<4x2xf32>) -> tensor<8x2xf32> {
  %p = nn.matmul %x, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32> loc("train.py":3:1)
  %as = nn.broadcast %a {dimensions = [1]} : tensor<4xf32> -> tensor<8x4xf32>
  %q = nn.add %p, %as : tensor<8x4xf32>
  %r = nn.relu %q : tensor<8x4xf32> loc("train.py":3:1)
  %s = nn.matmul %r, %v : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %bs = nn.broadcast %b {dimensions = [1]} : tensor<4xf32> -> tensor<8x4xf32>
  %t = nn.add %s, %bs : tensor<8x4xf32>
  %h = nn.relu %t : tensor<8x4xf32> loc("train.py":4:1)
  %y = nn.matmul %h, %u : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  func.return %y : tensor<8x2xf32>
}
// CHECK-NEXT: %r = kernel.launch @dense_relu ins(%x, %w, %a :
// CHECK-NEXT: %h = kernel.launch @dense_relu ins(%r, %v, %b :
// CHECK-NEXT: %y = kernel.launch @matmul ins(%h, %u :

// CHECK: kernel.func @dense_relu(%x: tensor<8x4xf32>, %w: tensor<4x4xf32>, %a: tensor<4xf32>) -> (tensor<8x4xf32>)
// CHECK-SAME: nnc.flops = 320 : i64, nnc.bytes = 336 : i64
// CHECK: kernel.return
// CHECK: kernel.func @matmul(
// CHECK-NOT: kernel.func
