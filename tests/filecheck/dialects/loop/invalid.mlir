// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

kernel.func @yield_of_another_type(%x: f32) {
  // CHECK: loop.for: its body yields (index), expected (f32)
  %r = loop.for %i to 4 iter_args(%a = %x) -> (f32) {
    loop.yield %i : index
  }
  kernel.return
}

// -----

kernel.func @no_yield() {
  // CHECK: loop.for: its body must end with loop.yield
  loop.for %i to 4 {
    kernel.return
  }
  kernel.return
}

// -----

kernel.func @negative_count() {
  // CHECK: loop.for: the count is -1, expected 0 or more
  loop.for %i to -1 {
    loop.yield
  }
  kernel.return
}

// -----

kernel.func @body_without_the_carried_value(%x: f32) {
  // CHECK: loop.for: its body takes (index), expected (index, f32)
  %r = "loop.for"(%x) <{count = #builtin.int<4>}> ({
  ^bb0(%i: index):
    loop.yield %x : f32
  }) : (f32) -> f32
  kernel.return
}

// -----

kernel.func @one_variable_too_few() {
  // CHECK: loop.parallel: 2 counts need as many index arguments, given (index)
  loop.parallel (%i) to (4, 2) {
    loop.yield
  }
  kernel.return
}

// -----

kernel.func @one_mapping_too_few() {
  // CHECK: loop.parallel: one mapping per dimension is expected
  loop.parallel (%i, %j) to (4, 2) mapping [threads] {
    loop.yield
  }
  kernel.return
}

// -----

kernel.func @unknown_mapping() {
  // CHECK: loop.parallel: unknown mapping 'warps', expected one of ('sequential', 'threads', 'blocks', 'lanes')
  loop.parallel (%i) to (4) mapping [warps] {
    loop.yield
  }
  kernel.return
}

// -----

kernel.func @parallel_yields_nothing(%x: f32) {
  // CHECK: loop.parallel: its body yields (f32), expected ()
  loop.parallel (%i) to (4) {
    loop.yield %x : f32
  }
  kernel.return
}

// -----

kernel.func @condition_of_two() {
  loop.for %i to 4 {
    // CHECK: loop.when: the condition has 2 dimensions, given 1 index values
    loop.when affine_set<(d0, d1) : (d0 - d1 >= 0)>(%i) {
      loop.yield
    }
    loop.yield
  }
  kernel.return
}

// -----

kernel.func @no_value_otherwise(%x: f32) {
  loop.for %i to 4 {
    // CHECK: loop.when: results and otherwise values differ in type
    %r = loop.when affine_set<(d0) : (d0 >= 0)>(%i) -> f32 {
      loop.yield %x : f32
    }
    loop.yield
  }
  kernel.return
}
