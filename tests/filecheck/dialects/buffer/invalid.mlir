// RUN: nnc-opt %s --split-input-file --verify-diagnostics | filecheck %s

kernel.func @one_subscript_too_few(%x: memref<4x8xf32>) {
  // CHECK: buffer.load: 1 subscripts for a buffer of rank 2
  %e = buffer.load %x[0] : memref<4x8xf32> -> f32
  kernel.return
}

// -----

kernel.func @element_of_another_type(%x: memref<4xf32>) {
  // CHECK: buffer.load: an element is f32, given f64
  %e = buffer.load %x[0] : memref<4xf32> -> f64
  kernel.return
}

// -----

kernel.func @value_of_another_type(%x: memref<4xf32>, %v: f64) {
  // CHECK: buffer.store: an element is f32, given f64
  buffer.store %v, %x[0] : f64 to memref<4xf32>
  kernel.return
}

// -----

kernel.func @map_of_two(%x: memref<4xf32>) {
  loop.for %i to 4 {
    // CHECK: buffer.load: the map has 2 dimensions, given 1 index values
    %e = "buffer.load"(%x, %i) <{map = affine_map<(d0, d1) -> (d0 + d1)>}> : (memref<4xf32>, index) -> f32
    loop.yield
  }
  kernel.return
}

// -----

func.func @view_of_a_row(%x: memref<4x8xf32>) {
  // CHECK: buffer.view: 1 subscripts for a buffer of rank 2
  %v = buffer.view %x[0] : memref<4x8xf32> to memref<8xf32>
  func.return
}

// -----

func.func @copy_of_another_shape(%x: memref<4xf32>, %y: memref<5xf32>) {
  // CHECK: buffer.copy: memref<4xf32> does not fit into memref<5xf32>
  buffer.copy %x to %y : memref<4xf32> to memref<5xf32>
  func.return
}

// -----

func.func @border_of_another_rank(%x: memref<4x4xf32>) {
  // CHECK: buffer.fill_border: low and high need 2 sizes each
  buffer.fill_border %x low [1] high [1, 1] with 0.0 : f32 : memref<4x4xf32>
  func.return
}
