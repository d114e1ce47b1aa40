// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

func.func @group_of_another_type(%x: tensor<4xf32>) {
  // CHECK: kernel.group: its body must take the types it is passed
  kernel.group(%x) : (tensor<4xf32>) -> () {
  ^bb0(%y: tensor<5xf32>):
    kernel.return
  }
  func.return
}

// -----

func.func @group_without_its_result(%x: tensor<4xf32>) {
  // CHECK: kernel.group: its body must return the types of its results
  %g = kernel.group(%x) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%y: tensor<4xf32>):
    kernel.return
  }
  func.return
}

// -----

// CHECK: kernel.func @another_result: returns (tensor<4xf32>), declared (tensor<5xf32>)
kernel.func @another_result(%x: tensor<4xf32>) -> (tensor<5xf32>) {
  kernel.return %x : tensor<4xf32>
}

// -----

// CHECK: kernel.func @no_return: must end in kernel.return
kernel.func @no_return() {
  loop.yield
}

// -----

kernel.func @call_of_the_wrong_rank(%x: memref<4x8xf32>) {
  // CHECK: kernel.call: 1 subscripts for memref<4x8xf32>
  kernel.call @row(%x[0]) : memref<4x8xf32>
  kernel.return
}

// -----

kernel.func @one_map_too_few(%x: memref<4xf32>, %y: memref<4xf32>) {
  // CHECK: kernel.call: one subscript per buffer is expected
  "kernel.call"(%x, %y) <{callee = @row, maps = [affine_map<() -> (0)>], operandSegmentSizes = array<i32: 2, 0>}> : (memref<4xf32>, memref<4xf32>) -> ()
  kernel.return
}
