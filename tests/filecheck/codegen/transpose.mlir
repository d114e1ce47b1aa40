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

// CHECK:      /* transpose2(x[32,48]) -> y[48,32] */
// CHECK-NEXT: static void transpose2(const float *restrict x, float *restrict y)
// CHECK-NEXT: {
// CHECK-NEXT:     for (long i = 0; i < 2; i++) {
// CHECK-NEXT:         for (long j = 0; j < 3; j++) {
// CHECK-NEXT:             vf block_0_0 = load_vf(x + 768 * i + 16 * j);
// CHECK-NEXT:             vf block_1_0 = load_vf(x + 768 * i + 16 * j + 48);
// CHECK-NEXT:             vf block_2_0 = load_vf(x + 768 * i + 16 * j + 96);
// CHECK-NEXT:             vf block_3_0 = load_vf(x + 768 * i + 16 * j + 144);
// CHECK-NEXT:             vf block_4_0 = load_vf(x + 768 * i + 16 * j + 192);
// CHECK-NEXT:             vf block_5_0 = load_vf(x + 768 * i + 16 * j + 240);
// CHECK-NEXT:             vf block_6_0 = load_vf(x + 768 * i + 16 * j + 288);
// CHECK-NEXT:             vf block_7_0 = load_vf(x + 768 * i + 16 * j + 336);
// CHECK-NEXT:             vf block_8_0 = load_vf(x + 768 * i + 16 * j + 384);
// CHECK-NEXT:             vf block_9_0 = load_vf(x + 768 * i + 16 * j + 432);
// CHECK-NEXT:             vf block_10_0 = load_vf(x + 768 * i + 16 * j + 480);
// CHECK-NEXT:             vf block_11_0 = load_vf(x + 768 * i + 16 * j + 528);
// CHECK-NEXT:             vf block_12_0 = load_vf(x + 768 * i + 16 * j + 576);
// CHECK-NEXT:             vf block_13_0 = load_vf(x + 768 * i + 16 * j + 624);
// CHECK-NEXT:             vf block_14_0 = load_vf(x + 768 * i + 16 * j + 672);
// CHECK-NEXT:             vf block_15_0 = load_vf(x + 768 * i + 16 * j + 720);
// CHECK-NEXT:             vf turned_0 = block_0_0;
// CHECK-NEXT:             vf turned_1 = block_1_0;
// CHECK:                  exchange_1_vf(&turned_0, &turned_1);
// CHECK:                  store_vf(y + 512 * j + 16 * i, turned_0);
// CHECK-NEXT:             store_vf(y + 512 * j + 16 * i + 32, turned_1);
// CHECK:              }
// CHECK-NEXT:     }
// CHECK-NEXT: }
// CHECK:      /* transpose: one call of the program; arena: {{[0-9]+}} bytes
// CHECK-NEXT: int transpose(void *const *arguments, char *arena, const nnc_pool *pool)
// CHECK-NEXT: {
// CHECK-NEXT:     (void)arena;
// CHECK-NEXT:     (void)pool;
// CHECK-NEXT:     const float *x = arguments[0];
// CHECK-NEXT:     float *y = arguments[1];
// CHECK:          transpose2(x, y);
// CHECK:          return 0;
// CHECK-NEXT: }
