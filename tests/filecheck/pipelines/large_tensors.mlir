// RUN: nnc-opt %s -p infer-c99 -t c | filecheck %s
// RUN: nnc-opt %s -p infer-cuda -t cuda | filecheck %s --check-prefix CUDA

// More than 2^31 elements, in memory and in no memory: loops, offsets and points are of 64 bits.

// CHECK: static void sum(
// CHECK: for (long i = 0; i < 70000; i++)
// CHECK: for (long j
// CHECK: static void matmul(
// CHECK: static void sum_1(
// CHECK: + 4896640000]
// CHECK: arena: 19600000000 bytes

// CUDA: const long point = (long)blockIdx.x * 128 + threadIdx.x;
// CUDA: + 4896640000]

func.func @main(%x: tensor<70000x1xf32>, %y: tensor<1x70000xf32>) -> (tensor<f32>, tensor<70000xf32>, tensor<70000x70000xui8>) attributes {
  arg_attrs = [{nnc.name = "x", nnc.role = "input"}, {nnc.name = "y", nnc.role = "input"}],
  nnc.tied = array<i64: -1, -1, -1>, nnc.outputs = ["all", "columns", "bytes"]
} {
  %u = nn.reshape %x : tensor<70000x1xf32> -> tensor<70000xf32>
  %v = nn.reshape %y : tensor<1x70000xf32> -> tensor<70000xf32>
  %a = nn.broadcast %u {dimensions = [0]} : tensor<70000xf32> -> tensor<70000x70000xf32>
  %b = nn.broadcast %v {dimensions = [1]} : tensor<70000xf32> -> tensor<70000x70000xf32>
  %c = nn.sub %a, %b : tensor<70000x70000xf32>
  %all = nn.reduce sum %c {axes = [0, 1]} : tensor<70000x70000xf32> -> tensor<f32>
  %d = nn.matmul %x, %y : (tensor<70000x1xf32>, tensor<1x70000xf32>) -> tensor<70000x70000xf32>
  %columns = nn.reduce sum %d {axes = [0]} : tensor<70000x70000xf32> -> tensor<70000xf32>
  %bytes = nn.cast %d to ui8 : tensor<70000x70000xf32> -> tensor<70000x70000xui8>
  func.return %all, %columns, %bytes : tensor<f32>, tensor<70000xf32>, tensor<70000x70000xui8>
}
