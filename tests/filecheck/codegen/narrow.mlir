// RUN: nnc-opt %s -p kernel-select{target=avx2} -t c | filecheck %s
// RUN: nnc-opt %s -p kernel-select{target=sse2} -t c | filecheck %s --check-prefix SSE2
// RUN: nnc-opt %s -p kernel-select{target=c99} -t c | filecheck %s --check-prefix C99

// 16-bit floats and bytes are fewer bytes in as many lanes.
// CHECK:      typedef short vh __attribute__((vector_size(16)));
// CHECK:      INLINE vh vf_to_f16(vf x)
// CHECK-NEXT: {
// CHECK-NEXT:     return __builtin_ia32_vcvtps2ph256(x, 0);
// CHECK:      vh x_value_0 = load_vh(x + 16 * i);
// CHECK-NEXT: vf wide_0 = bf16_to_vf(x_value_0);
// CHECK-NEXT: vb b_value_0 = load_vb(b + 16 * i);
// CHECK-NEXT: vi wide2_0 = __builtin_convertvector(b_value_0, vi);
// CHECK-NEXT: vf number_0 = __builtin_convertvector(wide2_0, vf);
// CHECK-NEXT: vf product_0 = wide_0 * number_0;
// CHECK-NEXT: vh rounded_0 = vf_to_f16(product_0);
// CHECK-NEXT: store_vh(y + 16 * i, rounded_0);

// Where the target has no instruction, lane by lane.
// SSE2:       INLINE vh vf_to_f16(vf x)
// SSE2-NEXT:  {
// SSE2-NEXT:      vh r;
// SSE2-NEXT:      LANES(i) r[i] = f32_to_f16(x[i]);

// C99:        static inline unsigned short f32_to_f16(float x)
// C99:        unsigned short x_value_0 = x[16 * i];
// C99-NEXT:   float wide_0 = bf16_to_f32(x_value_0);
// C99-NEXT:   unsigned char b_value_0 = b[16 * i];
// C99-NEXT:   int wide2_0 = (int)b_value_0;
// C99-NEXT:   float number_0 = (float)wide2_0;
// C99-NEXT:   float product_0 = wide_0 * number_0;
// C99-NEXT:   unsigned short rounded_0 = f32_to_f16(product_0);
// C99-NEXT:   y[16 * i] = rounded_0;
builtin.module @narrow {
  func.func @main(%x: memref<32xbf16>, %b: memref<32xui8>, %y: memref<32xf16>) {
    kernel.launch @narrow ins(%x, %b : memref<32xbf16>, memref<32xui8>) outs(%y : memref<32xf16>)
    func.return
  }
  kernel.func @narrow(%x: memref<32xbf16>, %b: memref<32xui8>, %y: memref<32xf16>) outs 1 strategy #kernel.strategy<sweeps {}> {
    loop.parallel (%i) to (2) {
      %0 = tile.load %x[%i * 16] along [0] : memref<32xbf16> -> vector<16xbf16>
      %1 = arith.extf %0 : vector<16xbf16> to vector<16xf32>
      %2 = tile.load %b[%i * 16] along [0] : memref<32xui8> -> vector<16xui8>
      %3 = arith.extui %2 : vector<16xui8> to vector<16xi32>
      %4 = arith.sitofp %3 : vector<16xi32> to vector<16xf32>
      %5 = arith.mulf %1, %4 : vector<16xf32>
      %6 = arith.truncf %5 : vector<16xf32> to vector<16xf16>
      tile.store %6, %y[%i * 16] along [0] : vector<16xf16> to memref<32xf16>
      loop.yield
    }
    kernel.return
  }
}
