// RUN: nnc-opt -t c %s | filecheck %s

// y = x^T by blocks of 16x16.
builtin.module @transpose {
  func.func @main(%x: memref<32x48xf32>, %y: memref<48x32xf32> {nnc.role = "output"}) {
    kernel.launch @transpose ins(%x : memref<32x48xf32>) outs(%y : memref<48x32xf32>)
    func.return
  }
  kernel.func @transpose(%x: memref<32x48xf32>, %y: memref<48x32xf32>) outs 1 {
    loop.parallel (%i, %j) to (2, 3) {
      %block = tile.load %x[%i * 16, %j * 16] along [0, 1] : memref<32x48xf32> -> vector<16x16xf32>
      %turned = tile.transpose %block : vector<16x16xf32> -> vector<16x16xf32>
      tile.store %turned, %y[%j * 16, %i * 16] along [0, 1] : vector<16x16xf32> to memref<48x32xf32>
      loop.yield
    }
    kernel.return
  }
}
