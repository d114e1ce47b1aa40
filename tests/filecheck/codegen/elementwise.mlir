// RUN: nnc-opt -t c %s | filecheck %s

// y = max(x * 2 + y, 0), 100 elements: whole vectors, then a partial one.
builtin.module @saxpy_relu {
  func.func @main(%x: memref<100xf32>, %y: memref<100xf32>) {
    kernel.launch @saxpy_relu ins(%x : memref<100xf32>) inouts(%y : memref<100xf32>)
    func.return
  }
  kernel.func @saxpy_relu(%x: memref<100xf32>, %y: memref<100xf32>) inouts 1 {
    %two = arith.constant dense<2.0> : vector<16xf32>
    %zero = arith.constant dense<0.0> : vector<16xf32>
    loop.for %i to 6 {
      %a = tile.load %x[%i * 16] along [0] : memref<100xf32> -> vector<16xf32>
      %b = tile.load %y[%i * 16] along [0] : memref<100xf32> -> vector<16xf32>
      %c = math.fma %a, %two, %b : vector<16xf32>
      %d = arith.maximumf %c, %zero : vector<16xf32>
      tile.store %d, %y[%i * 16] along [0] : vector<16xf32> to memref<100xf32>
      loop.yield
    }
    %a = tile.load %x[96] along [0] extent [4] : memref<100xf32> -> vector<16xf32>
    %b = tile.load %y[96] along [0] extent [4] : memref<100xf32> -> vector<16xf32>
    %c = math.fma %a, %two, %b : vector<16xf32>
    %d = arith.maximumf %c, %zero : vector<16xf32>
    tile.store %d, %y[96] along [0] extent [4] : vector<16xf32> to memref<100xf32>
    kernel.return
  }
}
