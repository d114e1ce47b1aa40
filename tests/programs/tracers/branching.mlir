// Control flow: a loop that stops by itself, each step a branch; then a block that runs again.
func.func @main(%x: tensor<4x6xf32> {nnc.name = "x"}, %limit: tensor<f32> {nnc.name = "limit"},
                %w: tensor<6x6xf32> {nnc.name = "step", nnc.role = "parameter"},
                %u: tensor<6x6xf32> {nnc.name = "block", nnc.role = "parameter"}) -> tensor<4xf32>
    attributes {nnc.outputs = ["loss"]} {
  %last = nn.scan 5 carry (%s = %x : tensor<4x6xf32>) captures (%m = %limit : tensor<f32>, %v = %w : tensor<6x6xf32>) {
    %sum = nn.reduce sum %s {axes = [0, 1]} : tensor<4x6xf32> -> tensor<f32>
    %goes = nn.compare lt %sum, %m : tensor<f32> -> tensor<i1>
    %next = nn.cond %goes captures (%a = %s : tensor<4x6xf32>, %b = %v : tensor<6x6xf32>) {
      %p = nn.matmul %a, %b : (tensor<4x6xf32>, tensor<6x6xf32>) -> tensor<4x6xf32>
      %t = nn.tanh %p : tensor<4x6xf32>
      %n = nn.add %t, %a : tensor<4x6xf32>
      nn.yield %n : tensor<4x6xf32>
    } else (%c, %d) {
      nn.yield %c : tensor<4x6xf32>
    }
    nn.yield %next : tensor<4x6xf32>
  }
  %y = nn.checkpoint captures (%e = %last : tensor<4x6xf32>, %f = %u : tensor<6x6xf32>) {
    %q = nn.matmul %e, %f : (tensor<4x6xf32>, tensor<6x6xf32>) -> tensor<4x6xf32>
    %g = nn.gelu %q : tensor<4x6xf32>
    %r = nn.matmul %g, %f : (tensor<4x6xf32>, tensor<6x6xf32>) -> tensor<4x6xf32>
    %h = nn.sin %r : tensor<4x6xf32>
    nn.yield %h : tensor<4x6xf32>
  }
  %loss = nn.reduce sum %y {axes = [1]} : tensor<4x6xf32> -> tensor<4xf32>
  func.return %loss : tensor<4xf32>
}
