// RUN: nnc-opt -t c %s | filecheck %s
// RUN: nnc-opt -t cuda %s | filecheck %s --check-prefix CUDA

// What is done to a cell of a tile is a function where many cells are alike: here 12 whole cells
// and 6 of 8 lanes. The load of %lr does not end the run, as nothing is stored before it.

builtin.module @update {
  func.func @main(%g: memref<6x40xf32> {nnc.name = "g", nnc.role = "input"}, %lr: memref<f32> {nnc.name = "lr", nnc.role = "input"}, %w: memref<6x40xf32> {nnc.name = "w", nnc.role = "parameter"}, %m: memref<6x40xf32> {nnc.name = "m", nnc.role = "state"}) {
    kernel.launch @momentum ins(%g, %lr : memref<6x40xf32>, memref<f32>) inouts(%w, %m : memref<6x40xf32>, memref<6x40xf32>)
    func.return
  }
  kernel.func @momentum(%g: memref<6x40xf32>, %lr: memref<f32>, %w: memref<6x40xf32>, %m: memref<6x40xf32>) inouts 2 {
    %grad = tile.load %g[0, 0] along [0, 1] : memref<6x40xf32> -> vector<6x40xf32>
    %old = tile.load %w[0, 0] along [0, 1] : memref<6x40xf32> -> vector<6x40xf32>
    %mean = tile.load %m[0, 0] along [0, 1] : memref<6x40xf32> -> vector<6x40xf32>
    %rate = buffer.load %lr[] : memref<f32> -> f32
    %rates = tile.fill %rate : f32 -> vector<6x40xf32>
    %factor = arith.constant dense<0.9> : vector<6x40xf32>
    %kept = arith.mulf %factor, %mean : vector<6x40xf32>
    %step = arith.mulf %rates, %grad : vector<6x40xf32>
    %next = arith.subf %kept, %step : vector<6x40xf32>
    %new = arith.addf %old, %next : vector<6x40xf32>
    tile.store %next, %m[0, 0] along [0, 1] : vector<6x40xf32> to memref<6x40xf32>
    tile.store %new, %w[0, 0] along [0, 1] : vector<6x40xf32> to memref<6x40xf32>
    kernel.return
  }
}

// CHECK:      /* momentum: what is done to 16 lanes of a tile */
// CHECK-NEXT: INLINE void momentum_cell(const float *g, float *w, float *m, float rate)
// CHECK-NEXT: {
// CHECK-NEXT:     vf grad = load_vf(g);
// CHECK-NEXT:     vf old = load_vf(w);
// CHECK-NEXT:     vf mean = load_vf(m);
// CHECK-NEXT:     vf kept = 0.9f * mean;
// CHECK-NEXT:     vf step = rate * grad;
// CHECK-NEXT:     vf next = kept - step;
// CHECK-NEXT:     vf new2 = old + next;
// CHECK-NEXT:     store_vf(m, next);
// CHECK-NEXT:     store_vf(w, new2);
// CHECK-NEXT: }
// CHECK:      INLINE void momentum_cell2(const float *g, float *w, float *m, float rate)
// CHECK-NEXT: {
// CHECK-NEXT:     vf grad = load_part_vf(g, 8);
// CHECK:          store_part_vf(w, new2, 8);
// CHECK-NEXT: }
// CHECK:      static void momentum(
// CHECK-NEXT: {
// CHECK-NEXT:     float rate = lr[0];
// CHECK-NEXT:     momentum_cell(g, w, m, rate);
// CHECK-NEXT:     momentum_cell(g + 16, w + 16, m + 16, rate);
// CHECK-NEXT:     momentum_cell2(g + 32, w + 32, m + 32, rate);
// CHECK-NEXT:     momentum_cell(g + 40, w + 40, m + 40, rate);
// CHECK:          momentum_cell2(g + 232, w + 232, m + 232, rate);
// CHECK-NEXT: }

// CUDA:      /* momentum: what is done to one element of a tile */
// CUDA-NEXT: static __device__ inline void momentum_cell(const float *g, float *w, float *m, float rate)
// CUDA-NEXT: {
// CUDA-NEXT:     float grad = g[0];
// CUDA:          momentum_cell(g + 239, w + 239, m + 239, rate);
