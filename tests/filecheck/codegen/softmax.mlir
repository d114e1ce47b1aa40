// RUN: nnc-opt -t c %s | filecheck %s

// Rows of 40 in scratch of each worker: the maximum, the exponentials' sum (here 1 + x + x^2), the quotient.
builtin.module @softmax {
  func.func @main(%x: memref<6x40xf32>, %y: memref<6x40xf32> {nnc.role = "output"}) {
    kernel.launch @softmax ins(%x : memref<6x40xf32>) outs(%y : memref<6x40xf32>)
    func.return
  }
  kernel.func @softmax(%x: memref<6x40xf32>, %y: memref<6x40xf32>) outs 1 {
    %low = arith.constant 0xFF800000 : f32
    %zero = arith.constant 0.0 : f32
    %one = arith.constant dense<1.0> : vector<40xf32>
    loop.parallel (%row) to (6) mapping [threads] {
      %line = buffer.alloc : memref<40xf32>
      %v = tile.load %x[%row, 0] along [1] : memref<6x40xf32> -> vector<40xf32>
      %top = tile.reduce "max" %v along [0] : vector<40xf32> -> f32
      %tops = tile.fill %top : f32 -> vector<40xf32>
      %d = arith.subf %v, %tops : vector<40xf32>
      %p = math.fma %d, %d, %one : vector<40xf32>
      %e = arith.addf %p, %d : vector<40xf32>
      tile.store %e, %line[0] along [0] : vector<40xf32> to memref<40xf32>
      %total = loop.for %i to 40 iter_args(%s = %zero) -> (f32) {
        %f = buffer.load %line[%i] : memref<40xf32> -> f32
        %t = arith.addf %s, %f : f32
        loop.yield %t : f32
      }
      loop.for %i to 40 {
        %f = buffer.load %line[%i] : memref<40xf32> -> f32
        %q = arith.divf %f, %total : f32
        buffer.store %q, %y[%row, %i] : f32 to memref<6x40xf32>
        loop.yield
      }
      loop.yield
    }
    kernel.return
  }
}
