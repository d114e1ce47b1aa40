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

// CHECK:      /* softmax2(x[6,40]) -> y[6,40] */
// CHECK-NEXT: struct softmax2_context {
// CHECK-NEXT:     const float *x;
// CHECK-NEXT:     float *y;
// CHECK-NEXT:     char *scratch;
// CHECK-NEXT: };
// CHECK:      static void softmax2_task(void *context, long begin, long end, long worker)
// CHECK-NEXT: {
// CHECK-NEXT:     const struct softmax2_context *parts = context;
// CHECK-NEXT:     const float *restrict x = parts->x;
// CHECK-NEXT:     float *restrict y = parts->y;
// CHECK-NEXT:     char *scratch = parts->scratch + worker * 192;
// CHECK-NEXT:     for (long row = begin; row < end; row++) {
// CHECK-NEXT:         float *line = (float *)scratch;
// CHECK-NEXT:         vf v_0 = load_vf(x + 40 * row);
// CHECK-NEXT:         vf v_1 = load_vf(x + 40 * row + 16);
// CHECK-NEXT:         vf v_2 = load_part_vf(x + 40 * row + 32, 8);
// CHECK-NEXT:         vf max_half_0 = max_vf(v_0, select_vf((vi){-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0}, v_2,
// CHECK-NEXT:                 splat_vf(-INFINITY)));
// CHECK-NEXT:         float top = max_lanes_vf(max_vf(max_half_0, v_1));
// CHECK-NEXT:         vf d_0 = v_0 - top;
// CHECK-NEXT:         vf p_0 = fma_vf(d_0, d_0, splat_vf(1.0f));
// CHECK-NEXT:         vf e_0 = p_0 + d_0;
// CHECK-NEXT:         store_vf(line, e_0);
// CHECK-NEXT:         vf d_1 = v_1 - top;
// CHECK-NEXT:         vf p_1 = fma_vf(d_1, d_1, splat_vf(1.0f));
// CHECK-NEXT:         vf e_1 = p_1 + d_1;
// CHECK-NEXT:         store_vf(line + 16, e_1);
// CHECK-NEXT:         vf d_2 = v_2 - top;
// CHECK-NEXT:         vf p_2 = fma_vf(d_2, d_2, splat_vf(1.0f));
// CHECK-NEXT:         vf e_2 = p_2 + d_2;
// CHECK-NEXT:         store_part_vf(line + 32, e_2, 8);
// CHECK-NEXT:         float total = 0.0f;
// CHECK-NEXT:         for (long i = 0; i < 40; i++) {
// CHECK-NEXT:             float f = line[i];
// CHECK-NEXT:             total = total + f;
// CHECK-NEXT:         }
// CHECK-NEXT:         for (long i2 = 0; i2 < 40; i2++) {
// CHECK-NEXT:             float f2 = line[i2];
// CHECK-NEXT:             float q = f2 / total;
// CHECK-NEXT:             y[40 * row + i2] = q;
// CHECK-NEXT:         }
// CHECK-NEXT:     }
// CHECK-NEXT: }
// CHECK:      static void softmax2(const float *restrict x, float *restrict y, char *scratch, const nnc_pool *pool)
// CHECK-NEXT: {
// CHECK-NEXT:     struct softmax2_context parts = {x, y, scratch};
// CHECK-NEXT:     pool->parallel(6, softmax2_task, &parts);
// CHECK-NEXT: }
// CHECK:      /* softmax: one call of the program; arena: {{[0-9]+}} bytes
// CHECK-NEXT: int softmax(void *const *arguments, char *arena, const nnc_pool *pool)
// CHECK-NEXT: {
// CHECK-NEXT:     const float *x = arguments[0];
// CHECK-NEXT:     float *y = arguments[1];
// CHECK:          softmax2(x, y, arena, pool);
// CHECK:          return 0;
// CHECK-NEXT: }
