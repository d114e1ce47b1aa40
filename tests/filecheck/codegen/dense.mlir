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

// CHECK:      /* dense_tile(x[6,384], w[384,64], b[64], z[6,64]) */
// CHECK-NEXT: static __attribute__((noinline)) void dense_tile(const float *restrict x, const float *restrict w,
// CHECK-NEXT:         const float *restrict b, float *restrict z)
// CHECK-NEXT: {
// CHECK-NEXT:     vf acc_0_0 = {0}, acc_0_1 = {0}, acc_0_2 = {0}, acc_0_3 = {0};
// CHECK:          vf acc_5_0 = {0}, acc_5_1 = {0}, acc_5_2 = {0}, acc_5_3 = {0};
// CHECK-NEXT:     for (long k = 0; k < 384; k++) {
// CHECK-NEXT:         vf row_0 = load_vf(w + 64 * k);
// CHECK:              vf row_3 = load_vf(w + 64 * k + 48);
// CHECK-NEXT:         vf column_0 = splat_vf(x[k]);
// CHECK-NEXT:         acc_0_0 = fma_vf(column_0, row_0, acc_0_0);
// CHECK:              acc_0_3 = fma_vf(column_0, row_3, acc_0_3);
// CHECK:              vf column_3 = splat_vf(x[k + 1152]);
// CHECK:              vf column_4 = splat_vf(x[k + 1536]);
// CHECK:              vf column_5 = splat_vf(x[k + 1920]);
// CHECK-NEXT:         acc_5_0 = fma_vf(column_5, row_0, acc_5_0);
// CHECK:              acc_5_3 = fma_vf(column_5, row_3, acc_5_3);
// CHECK-NEXT:     }
// CHECK-NEXT:     vf bias_0 = load_vf(b);
// CHECK:          vf bias_3 = load_vf(b + 48);
// CHECK-NEXT:     vf sum_0_0 = acc_0_0 + bias_0;
// CHECK-NEXT:     vf relu_0_0 = at_least_vf(splat_vf(0.0f), sum_0_0);
// CHECK-NEXT:     store_vf(z, relu_0_0);
// CHECK:          vf sum_0_3 = acc_0_3 + bias_3;
// CHECK-NEXT:     vf relu_0_3 = at_least_vf(splat_vf(0.0f), sum_0_3);
// CHECK-NEXT:     store_vf(z + 48, relu_0_3);
// CHECK:          vf sum_5_0 = acc_5_0 + bias_0;
// CHECK-NEXT:     vf relu_5_0 = at_least_vf(splat_vf(0.0f), sum_5_0);
// CHECK-NEXT:     store_vf(z + 320, relu_5_0);
// CHECK:          vf sum_5_3 = acc_5_3 + bias_3;
// CHECK-NEXT:     vf relu_5_3 = at_least_vf(splat_vf(0.0f), sum_5_3);
// CHECK-NEXT:     store_vf(z + 368, relu_5_3);
// CHECK-NEXT: }
// CHECK:      /* dense(x[48,384], w[384,64], b[64]) -> z[48,64]: contraction, 6x64 tiles, 2.36 Mflop */
// CHECK-NEXT: struct dense_context {
// CHECK-NEXT:     const float *x;
// CHECK-NEXT:     const float *w;
// CHECK-NEXT:     const float *b;
// CHECK-NEXT:     float *z;
// CHECK-NEXT: };
// CHECK:      static void dense_task(void *context, long begin, long end, long worker)
// CHECK-NEXT: {
// CHECK-NEXT:     const struct dense_context *parts = context;
// CHECK-NEXT:     const float *restrict x = parts->x;
// CHECK-NEXT:     const float *restrict w = parts->w;
// CHECK-NEXT:     const float *restrict b = parts->b;
// CHECK-NEXT:     float *restrict z = parts->z;
// CHECK-NEXT:     (void)worker;
// CHECK-NEXT:     for (long i = begin; i < end; i++) {
// CHECK-NEXT:         dense_tile(x + 2304 * i, w, b, z + 384 * i);
// CHECK-NEXT:     }
// CHECK-NEXT: }
// CHECK:      static void dense(const float *restrict x, const float *restrict w, const float *restrict b, float *restrict z,
// CHECK-NEXT:         const nnc_pool *pool)
// CHECK-NEXT: {
// CHECK-NEXT:     struct dense_context parts = {x, w, b, z};
// CHECK-NEXT:     pool->parallel(8, dense_task, &parts);
// CHECK-NEXT: }
// CHECK:      /* dense_step: one call of the program; arena: {{[0-9]+}} bytes
// CHECK-NEXT: int dense_step(void *const *arguments, char *arena, const nnc_pool *pool)
// CHECK-NEXT: {
// CHECK-NEXT:     (void)arena;
// CHECK-NEXT:     const float *x = arguments[0];
// CHECK-NEXT:     const float *w = arguments[1];
// CHECK-NEXT:     const float *b = arguments[2];
// CHECK-NEXT:     float *z = arguments[3];
// CHECK:          dense(x, w, b, z, pool);
// CHECK:          return 0;
// CHECK-NEXT: }
