// RUN: nnc-opt %s -p 'lower{target=avx512}' | filecheck %s

// Scratch per worker: the exponentials of a row are kept from the sweep that sums them to the sweep
// that divides them. The buffer is the kernel's, not the program's, and rows run on all threads.

// CHECK: func.func @main
// CHECK-SAME: %arena: memref<0xi8>
// CHECK: kernel.func @softmax(
// CHECK-NEXT: %[[ROW:.*]] = buffer.alloc : memref<512xf32>
// CHECK-NEXT: loop.parallel (%{{.*}}) to (1024) mapping [threads] {
// CHECK: tile.store %{{.*}}, %[[ROW]]
// CHECK: tile.load %[[ROW]]
func.func @main(%x: tensor<1024x512xf32>) -> tensor<1024x512xf32> {
  %y = nn.softmax %x {axis = 1} : tensor<1024x512xf32>
  func.return %y : tensor<1024x512xf32>
}
