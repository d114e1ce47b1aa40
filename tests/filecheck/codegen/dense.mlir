// RUN: nnc-opt -t c %s | filecheck %s

builtin.module @dense_step {
  func.func @main(%x: memref<48x384xf32> {nnc.name = "x", nnc.role = "input"}, %w: memref<384x64xf32> {nnc.name = "dense0.weight", nnc.role = "parameter"}, %b: memref<64xf32> {nnc.name = "b", nnc.role = "parameter"}, %z: memref<48x64xf32> {nnc.name = "z", nnc.role = "output"}, %arena: memref<0xi8> {nnc.arena}) {
    kernel.launch @dense ins(%x, %w, %b : memref<48x384xf32>, memref<384x64xf32>, memref<64xf32>) outs(%z : memref<48x64xf32>)
    func.return
  }
  kernel.func @dense(%x: memref<48x384xf32>, %w: memref<384x64xf32>, %b: memref<64xf32>, %z: memref<48x64xf32>) outs 1 strategy #kernel.strategy<contraction {tile = [6, 64]}> attributes {nnc.flops = 2362368 : i64} {
    loop.parallel (%i) to (8) mapping [threads] {
      kernel.call @dense_tile(%x[%i * 6, 0], %w[0, 0], %b[0], %z[%i * 6, 0]) : memref<48x384xf32>, memref<384x64xf32>, memref<64xf32>, memref<48x64xf32>
      loop.yield
    }
    kernel.return
  }
  kernel.func private @dense_tile(%x: memref<6x384xf32, strided<[384, 1]>>, %w: memref<384x64xf32>, %b: memref<64xf32>, %z: memref<6x64xf32, strided<[64, 1]>>) {
    %zero = arith.constant 0.0 : f32
    %start = tile.fill %zero : f32 -> vector<6x64xf32>
    %acc = loop.for %k to 384 iter_args(%a = %start) -> (vector<6x64xf32>) {
      %column = tile.load %x[0, %k] along [0] : memref<6x384xf32, strided<[384, 1]>> -> vector<6xf32>
      %row = tile.load %w[%k, 0] along [1] : memref<384x64xf32> -> vector<64xf32>
      %next = tile.outer %column, %row, %a : vector<6xf32>, vector<64xf32> -> vector<6x64xf32>
      loop.yield %next : vector<6x64xf32>
    }
    %bias = tile.load %b[0] along [0] : memref<64xf32> -> vector<64xf32>
    %biases = tile.broadcast %bias along [1] : vector<64xf32> -> vector<6x64xf32>
    %sum = arith.addf %acc, %biases : vector<6x64xf32>
    %relu = arith.maximumf %sum, %start : vector<6x64xf32>
    tile.store %relu, %z[0, 0] along [0, 1] : vector<6x64xf32> to memref<6x64xf32, strided<[64, 1]>>
    kernel.return
  }
}
