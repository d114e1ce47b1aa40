// RUN: nnc-opt -t c %s | filecheck %s
// RUN: nnc-opt -t cuda %s | filecheck %s --check-prefix CUDA

// h[t + 1] = h[t] * 0.5 + x[t] for t < 5; the carry is double-buffered in the arena.
builtin.module @scan {
  func.func @main(%x: memref<5x8xf32>, %last: memref<8xf32> {nnc.role = "output"}, %arena: memref<64xi8> {nnc.arena}) {
    %h = buffer.view %arena[0] : memref<64xi8> to memref<2x8xf32>
    buffer.fill %h with 0.0 : f32 : memref<2x8xf32>
    loop.for %t to 5 {
      %xt = buffer.view %x[%t, 0] : memref<5x8xf32> to memref<8xf32>
      %old = buffer.view %h[%t mod 2, 0] : memref<2x8xf32> to memref<8xf32>
      %new = buffer.view %h[(%t + 1) mod 2, 0] : memref<2x8xf32> to memref<8xf32>
      kernel.launch @cell ins(%xt, %old : memref<8xf32>, memref<8xf32>) outs(%new : memref<8xf32>)
      loop.yield
    }
    %end = buffer.view %h[1, 0] : memref<2x8xf32> to memref<8xf32>
    buffer.copy %end to %last : memref<8xf32> to memref<8xf32>
    func.return
  }
  kernel.func @cell(%x: memref<8xf32>, %h: memref<8xf32>, %out: memref<8xf32>) outs 1 {
    %half = arith.constant 0.5 : f32
    loop.parallel (%i) to (8) {
      %a = buffer.load %x[%i] : memref<8xf32> -> f32
      %b = buffer.load %h[%i] : memref<8xf32> -> f32
      %c = math.fma %b, %half, %a : f32
      buffer.store %c, %out[%i] : f32 to memref<8xf32>
      loop.yield
    }
    kernel.return
  }
}

// CHECK:      /* cell(x[8], h[8]) -> out[8] */
// CHECK-NEXT: static void cell(const float *restrict x, const float *h, float *out)
// CHECK-NEXT: {
// CHECK-NEXT:     for (long i = 0; i < 8; i++) {
// CHECK-NEXT:         float a = x[i];
// CHECK-NEXT:         float b = h[i];
// CHECK-NEXT:         float c = fmaf(b, 0.5f, a);
// CHECK-NEXT:         out[i] = c;
// CHECK-NEXT:     }
// CHECK-NEXT: }
// CHECK:      /* scan: one call of the program; arena: {{[0-9]+}} bytes
// CHECK-NEXT: int scan(void *const *arguments, char *arena, const nnc_pool *pool)
// CHECK-NEXT: {
// CHECK-NEXT:     (void)pool;
// CHECK-NEXT:     const float *x = arguments[0];
// CHECK-NEXT:     float *last = arguments[1];
// CHECK:          float *h = (float *)arena;
// CHECK-NEXT:     memset(h, 0, 16 * sizeof(float));
// CHECK:          for (long t = 0; t < 5; t++) {
// CHECK-NEXT:         const float *xt = x + 8 * t;
// CHECK-NEXT:         float *old = h + 8 * (t % 2);
// CHECK-NEXT:         float *new2 = h + 8 * ((t + 1) % 2);
// CHECK-NEXT:         cell(xt, old, new2);
// CHECK:          }
// CHECK:          float *end = h + 8;
// CHECK-NEXT:     memcpy(last, end, 8 * sizeof(float));
// CHECK:          return 0;
// CHECK-NEXT: }

// CUDA:      /* cell(x[8], h[8]) -> out[8] */
// CUDA-NEXT: extern "C" __global__ void __launch_bounds__(8) cell(const float *__restrict__ x, const float *h, float *out)
// CUDA-NEXT: {
// CUDA-NEXT:     const long point = (long)blockIdx.x * 8 + threadIdx.x;
// CUDA-NEXT:     const long i = point;
// CUDA-NEXT:     float a = x[i];
// CUDA-NEXT:     float b = h[i];
// CUDA-NEXT:     float c = fmaf(b, 0.5f, a);
// CUDA-NEXT:     out[i] = c;
// CUDA-NEXT: }
// CUDA:      extern "C" __global__ void __launch_bounds__(128) fill(float *target)
// CUDA-NEXT: {
// CUDA-NEXT:     const long point = (long)blockIdx.x * 128 + threadIdx.x;
// CUDA-NEXT:     if (point >= 16)
// CUDA-NEXT:         return;
// CUDA-NEXT:     const long i = point;
// CUDA-NEXT:     target[i] = 0.0f;
// CUDA-NEXT: }
// CUDA:      extern "C" __global__ void __launch_bounds__(128) copy(float *target, const float *source)
// CUDA-NEXT: {
// CUDA-NEXT:     const long point = (long)blockIdx.x * 128 + threadIdx.x;
// CUDA-NEXT:     if (point >= 8)
// CUDA-NEXT:         return;
// CUDA-NEXT:     const long i = point;
// CUDA-NEXT:     target[i] = source[i];
// CUDA-NEXT: }
// CUDA:      #ifndef __CUDACC_RTC__
// CUDA-NEXT: void scan(char *const *arguments, char *arena, cudaStream_t stream)
// CUDA-NEXT: {
// CUDA-NEXT:     fill<<<1, 128, 0, stream>>>((float *)arena);
// CUDA-NEXT:     cell<<<1, 8, 0, stream>>>((const float *)arguments[0], (const float *)arena, (float *)(arena + 32));
// CUDA-NEXT:     cell<<<1, 8, 0, stream>>>((const float *)(arguments[0] + 32), (const float *)(arena + 32), (float *)arena);
// CUDA-NEXT:     cell<<<1, 8, 0, stream>>>((const float *)(arguments[0] + 64), (const float *)arena, (float *)(arena + 32));
// CUDA-NEXT:     cell<<<1, 8, 0, stream>>>((const float *)(arguments[0] + 96), (const float *)(arena + 32), (float *)arena);
// CUDA-NEXT:     cell<<<1, 8, 0, stream>>>((const float *)(arguments[0] + 128), (const float *)arena, (float *)(arena + 32));
// CUDA-NEXT:     copy<<<1, 128, 0, stream>>>((float *)arguments[1], (float *)(arena + 32));
// CUDA-NEXT: }
// CUDA-NEXT: #endif
