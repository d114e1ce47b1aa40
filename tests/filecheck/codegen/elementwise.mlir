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

// CHECK:      /* saxpy_relu2(x[100], y[100]) -> y[100] */
// CHECK-NEXT: static void saxpy_relu2(const float *restrict x, float *restrict y)
// CHECK-NEXT: {
// CHECK-NEXT:     for (long i = 0; i < 6; i++) {
// CHECK-NEXT:         vf a = load_vf(x + 16 * i);
// CHECK-NEXT:         vf b = load_vf(y + 16 * i);
// CHECK-NEXT:         vf c = fma_vf(a, splat_vf(2.0f), b);
// CHECK-NEXT:         vf d = at_least_vf(splat_vf(0.0f), c);
// CHECK-NEXT:         store_vf(y + 16 * i, d);
// CHECK-NEXT:     }
// CHECK-NEXT:     vf a2 = load_part_vf(x + 96, 4);
// CHECK-NEXT:     vf b2 = load_part_vf(y + 96, 4);
// CHECK-NEXT:     vf c2 = fma_vf(a2, splat_vf(2.0f), b2);
// CHECK-NEXT:     vf d2 = at_least_vf(splat_vf(0.0f), c2);
// CHECK-NEXT:     store_part_vf(y + 96, d2, 4);
// CHECK-NEXT: }
// CHECK:      /* saxpy_relu: one call of the program; arena: {{[0-9]+}} bytes
// CHECK-NEXT: int saxpy_relu(void *const *arguments, char *arena, const nnc_pool *pool)
// CHECK-NEXT: {
// CHECK-NEXT:     (void)arena;
// CHECK-NEXT:     (void)pool;
// CHECK-NEXT:     const float *x = arguments[0];
// CHECK-NEXT:     float *y = arguments[1];
// CHECK:          saxpy_relu2(x, y);
// CHECK:          return 0;
// CHECK-NEXT: }
