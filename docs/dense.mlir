// One dense layer with softmax cross-entropy: 48 samples, 128 inputs, 64 classes. `docs/levels.py`
// draws how it becomes C; `nnc-opt docs/dense.mlir -p train-c99 -t c` prints that C.
func.func @main(%x: tensor<48x128xf32>, %label: tensor<48xi32>,
                %w: tensor<64x128xf32> {nnc.role = "parameter"},
                %b: tensor<64xf32> {nnc.role = "parameter"})
    -> tensor<48xf32> attributes {nnc.outputs = ["loss"]} {
  %product = nn.matmul %x, %w {transpose_rhs} : (tensor<48x128xf32>, tensor<64x128xf32>) -> tensor<48x64xf32>
  %bias = nn.broadcast %b {dimensions = [1]} : tensor<64xf32> -> tensor<48x64xf32>
  %z = nn.add %product, %bias : tensor<48x64xf32>
  %loss, %p = nn.cross_entropy %z, %label : (tensor<48x64xf32>, tensor<48xi32>) -> (tensor<48xf32>, tensor<48x64xf32>)
  func.return %loss : tensor<48xf32>
}
