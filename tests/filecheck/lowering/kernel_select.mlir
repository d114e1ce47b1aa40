// RUN: nnc-opt %s -p 'kernel-select{target=avx512}' | filecheck %s
// RUN: nnc-opt %s -p 'kernel-select{target=c99}' | filecheck %s --check-prefix C99

// Lanes lie along the rows of %w; six rows of four vectors fill the registers of the target.
// CHECK: kernel.func @in_place({{.*}} strategy #kernel.strategy<contraction {tile = [6, 64], rows_dim = 0, lanes_dim = 1, row_operand = 1, packed = 0}>
// C99:   kernel.func @in_place({{.*}} strategy #kernel.strategy<contraction {tile = [6, 2], rows_dim = 0, lanes_dim = 1, row_operand = 1, packed = 0}>
kernel.func @in_place(%x: tensor<100x20xf32>, %w: tensor<20x70xf32>) -> (tensor<100x70xf32>) {
  %y = nn.matmul %x, %w : (tensor<100x20xf32>, tensor<20x70xf32>) -> tensor<100x70xf32>
  kernel.return %y : tensor<100x70xf32>
}

// Neither operand has neighbours along a result's dimension: a panel is packed.
// CHECK: kernel.func @transposed({{.*}} lanes_dim = 1, row_operand = 1, packed = 1}>
kernel.func @transposed(%x: tensor<100x20xf32>, %w: tensor<70x20xf32>) -> (tensor<100x70xf32>) {
  %y = nn.matmul %x, %w {transpose_rhs} : (tensor<100x20xf32>, tensor<70x20xf32>) -> tensor<100x70xf32>
  kernel.return %y : tensor<100x70xf32>
}

// Where %x is small, packing it costs less than packing the weights: the lanes are its rows.
// CHECK: kernel.func @few_rows({{.*}} rows_dim = 1, lanes_dim = 0, row_operand = 0, packed = 1}>
kernel.func @few_rows(%x: tensor<16x512xf32>, %w: tensor<512x512xf32>) -> (tensor<16x512xf32>) {
  %y = nn.matmul %x, %w {transpose_rhs} : (tensor<16x512xf32>, tensor<512x512xf32>) -> tensor<16x512xf32>
  kernel.return %y : tensor<16x512xf32>
}

// One row takes the registers of several.
// CHECK: kernel.func @one_row({{.*}}contraction {tile = [1, 80], rows_dim = 0, lanes_dim = 1, row_operand = 1, packed = 0}>
kernel.func @one_row(%x: tensor<1x20xf32>, %w: tensor<20x70xf32>) -> (tensor<1x70xf32>) {
  %y = nn.matmul %x, %w : (tensor<1x20xf32>, tensor<20x70xf32>) -> tensor<1x70xf32>
  kernel.return %y : tensor<1x70xf32>
}

// Each channel with a kernel of its own: no dimension belongs to the kernel alone, so no rows.
// CHECK: kernel.func @depthwise({{.*}} rows_dim = -1, lanes_dim = 3, row_operand = 0,
kernel.func @depthwise(%x: tensor<2x3x9x20xf32>, %k: tensor<3x1x3x3xf32>) -> (tensor<2x3x7x18xf32>) {
  %y = nn.conv %x, %k {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 3} : (tensor<2x3x9x20xf32>, tensor<3x1x3x3xf32>) -> tensor<2x3x7x18xf32>
  kernel.return %y : tensor<2x3x7x18xf32>
}

// A convolution without padding is a product too, and what follows does not matter.
// CHECK: kernel.func @conv({{.*}} strategy #kernel.strategy<contraction {tile = [14, 32], rows_dim = 1, lanes_dim = 3, row_operand = 0,
kernel.func @conv(%x: tensor<2x3x9x20xf32>, %k: tensor<17x3x3x3xf32>) -> (tensor<2x17x7x18xf32>) {
  %y = nn.conv %x, %k {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1], groups = 1} : (tensor<2x3x9x20xf32>, tensor<17x3x3x3xf32>) -> tensor<2x17x7x18xf32>
  %z = nn.relu %y : tensor<2x17x7x18xf32>
  kernel.return %z : tensor<2x17x7x18xf32>
}

// Padding is read under a guard, f64 has no tiles, nothing has no tiles either.
// CHECK: kernel.func @padded({{.*}} strategy #kernel.strategy<sweeps {}>
kernel.func @padded(%x: tensor<2x3x9x20xf32>, %k: tensor<17x3x3x3xf32>) -> (tensor<2x17x9x20xf32>) {
  %y = nn.conv %x, %k {strides = [1, 1], low = [1, 1], high = [1, 1], dilations = [1, 1], groups = 1} : (tensor<2x3x9x20xf32>, tensor<17x3x3x3xf32>) -> tensor<2x17x9x20xf32>
  kernel.return %y : tensor<2x17x9x20xf32>
}
// CHECK: kernel.func @doubles({{.*}} strategy #kernel.strategy<sweeps {}>
kernel.func @doubles(%x: tensor<100x20xf64>, %w: tensor<20x70xf64>) -> (tensor<100x70xf64>) {
  %y = nn.matmul %x, %w : (tensor<100x20xf64>, tensor<20x70xf64>) -> tensor<100x70xf64>
  kernel.return %y : tensor<100x70xf64>
}
// CHECK: kernel.func @empty({{.*}} strategy #kernel.strategy<sweeps {}>
kernel.func @empty(%x: tensor<4x0xf32>, %w: tensor<0x4xf32>) -> (tensor<4x4xf32>) {
  %y = nn.matmul %x, %w : (tensor<4x0xf32>, tensor<0x4xf32>) -> tensor<4x4xf32>
  kernel.return %y : tensor<4x4xf32>
}

// CHECK: kernel.func @softmax({{.*}} strategy #kernel.strategy<sweeps {}>
kernel.func @softmax(%x: tensor<4x4xf32>) -> (tensor<4x4xf32>) {
  %y = nn.softmax %x {axis = 1} : tensor<4x4xf32>
  kernel.return %y : tensor<4x4xf32>
}

// CHECK: kernel.func @pool({{.*}} strategy #kernel.strategy<indexed {}>
kernel.func @pool(%x: tensor<2x3x8x8xf32>) -> (tensor<2x3x4x4xf32>, tensor<2x3x4x4xi32>) {
  %y, %where = nn.max_pool %x {kernel = [2, 2], strides = [2, 2], low = [0, 0], high = [0, 0]} : (tensor<2x3x8x8xf32>) -> (tensor<2x3x4x4xf32>, tensor<2x3x4x4xi32>)
  kernel.return %y, %where : tensor<2x3x4x4xf32>, tensor<2x3x4x4xi32>
}

// What has a strategy keeps it.
// CHECK: kernel.func @chosen({{.*}} strategy #kernel.strategy<sweeps {}>
kernel.func @chosen(%x: tensor<100x20xf32>, %w: tensor<20x70xf32>) -> (tensor<100x70xf32>) strategy #kernel.strategy<sweeps {}> {
  %y = nn.matmul %x, %w : (tensor<100x20xf32>, tensor<20x70xf32>) -> tensor<100x70xf32>
  kernel.return %y : tensor<100x70xf32>
}
