// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.scan: a sequence is tensor<5x2xf32>, expected 4 slices
func.func @count(%xs: tensor<5x2xf32>) {
  %ys = nn.scan 4 slices (%x = %xs : tensor<5x2xf32>) {
    nn.yield %x : tensor<2xf32>
  }
  func.return
}

// -----

// CHECK: nn.scan: the count is 0, expected 1 or more
func.func @empty(%h: tensor<2xf32>) {
  %y = nn.scan 0 carry (%s = %h : tensor<2xf32>) {
    nn.yield %s : tensor<2xf32>
  }
  func.return
}

// -----

// CHECK: nn.scan: its body must end with nn.yield
func.func @no_end(%h: tensor<2xf32>) {
  %y = nn.scan 3 carry (%s = %h : tensor<2xf32>) {
    loop.yield
  }
  func.return
}

// -----

// CHECK: nn.scan: its body yields the states (tensor<2xf64>), expected (tensor<2xf32>)
func.func @state(%h: tensor<2xf32>, %c: tensor<2xf64>) {
  %y = nn.scan 3 carry (%s = %h : tensor<2xf32>) captures (%d = %c : tensor<2xf64>) {
    nn.yield %d : tensor<2xf64>
  }
  func.return
}

// -----

// CHECK: nn.scan: its body takes (tensor<5x2xf32>), expected (tensor<2xf32>)
func.func @slices(%xs: tensor<5x2xf32>) {
  %ys = "nn.scan"(%xs) <{count = #builtin.int<5>, operandSegmentSizes = array<i32: 0, 1, 0>}> ({
  ^bb0(%x: tensor<5x2xf32>):
    nn.yield %x : tensor<5x2xf32>
  }) : (tensor<5x2xf32>) -> tensor<5x5x2xf32>
  func.return
}

// -----

// CHECK: nn.scan: its results are (tensor<4x2xf32>), expected (tensor<5x2xf32>)
func.func @stacked(%xs: tensor<5x2xf32>) {
  %ys = "nn.scan"(%xs) <{count = #builtin.int<5>, operandSegmentSizes = array<i32: 0, 1, 0>}> ({
  ^bb0(%x: tensor<2xf32>):
    nn.yield %x : tensor<2xf32>
  }) : (tensor<5x2xf32>) -> tensor<4x2xf32>
  func.return
}

// -----

// CHECK: nn.cond: the predicate is tensor<1xi1>, expected tensor<i1>
func.func @predicate(%p: tensor<1xi1>) {
  "nn.cond"(%p) ({
    nn.yield
  }, {
    nn.yield
  }) : (tensor<1xi1>) -> ()
  func.return
}

// -----

// CHECK: nn.cond: its second body yields (tensor<3xf32>), expected (tensor<2xf32>)
func.func @results(%p: tensor<i1>, %x: tensor<2xf32>, %y: tensor<3xf32>) {
  %z = nn.cond %p captures (%a = %x : tensor<2xf32>, %b = %y : tensor<3xf32>) {
    nn.yield %a : tensor<2xf32>
  } else (%c, %d) {
    nn.yield %d : tensor<3xf32>
  }
  func.return
}

// -----

// CHECK: nn.cond: its first body takes (tensor<3xf32>), expected (tensor<2xf32>)
func.func @captured(%p: tensor<i1>, %x: tensor<2xf32>) {
  "nn.cond"(%p, %x) ({
  ^bb0(%a: tensor<3xf32>):
    nn.yield
  }, {
  ^bb0(%a: tensor<2xf32>):
    nn.yield
  }) : (tensor<i1>, tensor<2xf32>) -> ()
  func.return
}

// -----

// CHECK: nn.checkpoint: its body must end with nn.yield
func.func @no_end(%x: tensor<2xf32>) {
  nn.checkpoint captures (%a = %x : tensor<2xf32>) {
    loop.yield
  }
  func.return
}

// -----

// CHECK: nn.checkpoint: its body yields (tensor<2xf32>), expected (tensor<3xf32>)
func.func @checkpointed(%x: tensor<2xf32>) {
  %y = "nn.checkpoint"(%x) ({
  ^bb0(%a: tensor<2xf32>):
    nn.yield %a : tensor<2xf32>
  }) : (tensor<2xf32>) -> tensor<3xf32>
  func.return
}

// -----

// CHECK: nn.with_gradient: its body yields (), expected (tensor<2xf32>)
func.func @no_cotangent(%x: tensor<2xf32>) {
  %y = nn.with_gradient of (%g = %x : tensor<2xf32>) wrt %x : tensor<2xf32> {
    nn.yield
  }
  func.return
}

// -----

// CHECK: nn.with_gradient: its body takes (), expected (tensor<2xf32>)
func.func @no_argument(%x: tensor<2xf32>) {
  %y = "nn.with_gradient"(%x) <{operandSegmentSizes = array<i32: 1, 0, 0>}> ({
    nn.yield
  }) : (tensor<2xf32>) -> tensor<2xf32>
  func.return
}

// -----

// CHECK: nn.with_gradient: its results are (tensor<3xf32>), expected (tensor<2xf32>)
func.func @another_result(%x: tensor<2xf32>) {
  %y = "nn.with_gradient"(%x) <{operandSegmentSizes = array<i32: 1, 0, 0>}> ({
  ^bb0(%g: tensor<2xf32>):
    nn.yield
  }) : (tensor<2xf32>) -> tensor<3xf32>
  func.return
}

// -----

// CHECK: nn.with_gradient: its body must end with nn.yield
func.func @no_yield(%x: tensor<2xf32>) {
  %y = nn.with_gradient of (%g = %x : tensor<2xf32>) {
    loop.yield
  }
  func.return
}
