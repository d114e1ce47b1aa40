// RUN: nnc-opt -t c %s | filecheck %s

// A 3x3 mean over an 8x16 image. The image is written into the interior of a buffer whose border
// is zero, and the kernel reads it through a view with negative subscripts.
builtin.module @mean {
  func.func @main(%x: memref<8x16xf32>, %y: memref<8x16xf32> {nnc.role = "output"}, %arena: memref<768xi8> {nnc.arena}) {
    %padded = buffer.view %arena[0] : memref<768xi8> to memref<10x18xf32>
    %interior = buffer.view %padded[1, 1] : memref<10x18xf32> to memref<8x16xf32, strided<[18, 1], offset: 19>>
    buffer.fill_border %padded low [1, 1] high [1, 1] with 0.0 : f32 : memref<10x18xf32>
    buffer.copy %x to %interior : memref<8x16xf32> to memref<8x16xf32, strided<[18, 1], offset: 19>>
    kernel.launch @mean ins(%interior : memref<8x16xf32, strided<[18, 1], offset: 19>>) outs(%y : memref<8x16xf32>)
    func.return
  }
  kernel.func @mean(%x: memref<8x16xf32, strided<[18, 1], offset: 19>>, %y: memref<8x16xf32>) outs 1 {
    %zero = arith.constant dense<0.0> : vector<16xf32>
    %ninth = arith.constant dense<0.11111111> : vector<16xf32>
    loop.parallel (%i) to (8) {
      %total = loop.for %r to 3 iter_args(%outer = %zero) -> (vector<16xf32>) {
        %sum = loop.for %c to 3 iter_args(%inner = %outer) -> (vector<16xf32>) {
          %v = tile.load %x[%i + %r + -1, %c + -1] along [1] : memref<8x16xf32, strided<[18, 1], offset: 19>> -> vector<16xf32>
          %next = arith.addf %inner, %v : vector<16xf32>
          loop.yield %next : vector<16xf32>
        }
        loop.yield %sum : vector<16xf32>
      }
      %mean = arith.mulf %total, %ninth : vector<16xf32>
      tile.store %mean, %y[%i, 0] along [1] : vector<16xf32> to memref<8x16xf32>
      loop.yield
    }
    kernel.return
  }
}

// CHECK:      /* mean2(x[8,16]) -> y[8,16] */
// CHECK-NEXT: static void mean2(const float *restrict x, float *restrict y)
// CHECK-NEXT: {
// CHECK-NEXT:     for (long i = 0; i < 8; i++) {
// CHECK-NEXT:         vf total = {0};
// CHECK-NEXT:         for (long r = 0; r < 3; r++) {
// CHECK-NEXT:             for (long c = 0; c < 3; c++) {
// CHECK-NEXT:                 vf v = load_vf(x + 18 * i + 18 * r + c - 19);
// CHECK-NEXT:                 total = total + v;
// CHECK-NEXT:             }
// CHECK-NEXT:         }
// CHECK-NEXT:         vf mean = total * 0.11111111f;
// CHECK-NEXT:         store_vf(y + 16 * i, mean);
// CHECK-NEXT:     }
// CHECK-NEXT: }
// CHECK:      /* mean: one call of the program; arena: {{[0-9]+}} bytes
// CHECK-NEXT: int mean(void *const *arguments, char *arena, const nnc_pool *pool)
// CHECK-NEXT: {
// CHECK-NEXT:     (void)pool;
// CHECK-NEXT:     const float *x = arguments[0];
// CHECK-NEXT:     float *y = arguments[1];
// CHECK:          float *padded = (float *)arena;
// CHECK-NEXT:     float *interior = padded + 19;
// CHECK-NEXT:     memset(padded, 0, 18 * sizeof(float));
// CHECK-NEXT:     memset(padded + 162, 0, 18 * sizeof(float));
// CHECK-NEXT:     for (long i = 1; i < 9; i++) {
// CHECK-NEXT:         padded[18 * i] = 0.0f;
// CHECK-NEXT:     }
// CHECK-NEXT:     for (long i = 1; i < 9; i++) {
// CHECK-NEXT:         padded[18 * i + 17] = 0.0f;
// CHECK-NEXT:     }
// CHECK:          for (long i = 0; i < 8; i++) {
// CHECK-NEXT:         memcpy(interior + 18 * i, x + 16 * i, 16 * sizeof(float));
// CHECK-NEXT:     }
// CHECK:          mean2(interior, y);
// CHECK:          return 0;
// CHECK-NEXT: }
