"""What storage, loops and tiles mean, against small programs written out in numpy."""

import numpy as np
import pytest
from compiled import parse
from interpreted import floats, run_kernel, value

from nnc.dialects.interpret import run


def test_a_loop_carries_values_in_order() -> None:
    x, y = floats(5), np.zeros(1, np.float32)
    body = """
    %zero = arith.constant 0.0 : f32
    %sum = loop.for %i to 5 iter_args(%a = %zero) -> (f32) {
      %e = buffer.load %0[%i] : memref<5xf32> -> f32
      %n = arith.addf %a, %e : f32
      loop.yield %n : f32
    }
    buffer.store %sum, %1[0] : f32 to memref<1xf32>
    """
    run_kernel(body, x, y)
    expected = np.float32(0)
    for element in x:
        expected += element
    assert y[0] == expected


def test_a_guard_gives_its_other_values_where_it_fails() -> None:
    x, y = floats(4), np.zeros(6, np.float32)
    body = """
    %fill = arith.constant 7.0 : f32
    loop.parallel (%i) to (6) {
      %v = loop.when affine_set<(d0) : (d0 - 1 >= 0, d0 - 4 <= 0)>(%i) otherwise(%fill : f32)
          -> f32 {
        %e = buffer.load %0[%i + -1] : memref<4xf32> -> f32
        loop.yield %e : f32
      }
      buffer.store %v, %1[%i] : f32 to memref<6xf32>
      loop.yield
    }
    """
    run_kernel(body, x, y)
    assert y.tolist() == [7, *x.tolist(), 7]


def test_a_halo_is_reached_by_negative_subscripts() -> None:
    arena, y = np.zeros(256, np.uint8), np.zeros((2, 3), np.float32)
    module = parse("""
    kernel.func @k(%x: memref<2x3xf32, strided<[5, 1]>>, %y: memref<2x3xf32>) outs 1 {
      loop.parallel (%i, %j) to (2, 3) {
        %a = buffer.load %x[%i + -1, %j + -1] : memref<2x3xf32, strided<[5, 1]>> -> f32
        %b = buffer.load %x[%i, %j] : memref<2x3xf32, strided<[5, 1]>> -> f32
        %s = arith.addf %a, %b : f32
        buffer.store %s, %y[%i, %j] : f32 to memref<2x3xf32>
        loop.yield
      }
      kernel.return
    }
    func.func @main(%arena: memref<256xi8>, %y: memref<2x3xf32>) {
      %halo = buffer.view %arena[64] : memref<256xi8> to memref<4x5xf32>
      %inner = buffer.view %halo[1, 1] : memref<4x5xf32> to memref<2x3xf32, strided<[5, 1]>>
      buffer.fill_border %halo low [1, 1] high [1, 1] with 10.0 : f32 : memref<4x5xf32>
      buffer.fill %inner with 1.0 : f32 : memref<2x3xf32, strided<[5, 1]>>
      kernel.launch @k ins(%inner : memref<2x3xf32, strided<[5, 1]>>) outs(%y : memref<2x3xf32>)
      func.return
    }
    """)
    run(module, [arena, y])
    assert y.tolist() == [[11, 11, 11], [11, 2, 2]]


@pytest.mark.parametrize("index", [-1, 5])
def test_an_access_outside_of_the_memory_names_op_and_buffer(index: int) -> None:
    body = f"""
    loop.for %i to 1 {{
      %e = buffer.load %0[%i + {index}] : memref<5xf32> -> f32
      loop.yield
    }}
    """
    with pytest.raises(Exception, match=rf"buffer\.load: elements {index} to {index} of the mem"):
        run_kernel(body, floats(5))


def test_a_tile_that_ends_outside_of_the_memory_is_an_error() -> None:
    body = "%t = tile.load %0[2] along [0] : memref<5xf32> -> vector<4xf32>"
    with pytest.raises(Exception, match=r"tile\.load: elements 2 to 5 .* has elements 0 to 4"):
        run_kernel(body, floats(5))


def test_fresh_memory_is_not_a_number() -> None:
    y = np.zeros(1, np.float32)
    body = """
    %scratch = buffer.alloc : memref<4xf32>
    %e = buffer.load %scratch[3] : memref<4xf32> -> f32
    buffer.store %e, %1[0] : f32 to memref<1xf32>
    """
    run_kernel(body, floats(4), y)
    assert np.isnan(y[0])


def test_a_host_loop_swaps_the_halves_of_a_carried_value() -> None:
    x, y = floats(4, 3), np.zeros(3, np.float32)
    module = parse("""
    kernel.func @add(%a: memref<3xf32>, %b: memref<3xf32>, %c: memref<3xf32>) outs 1 {
      loop.parallel (%i) to (3) {
        %p = buffer.load %a[%i] : memref<3xf32> -> f32
        %q = buffer.load %b[%i] : memref<3xf32> -> f32
        %s = arith.addf %p, %q : f32
        buffer.store %s, %c[%i] : f32 to memref<3xf32>
        loop.yield
      }
      kernel.return
    }
    func.func @main(%xs: memref<4x3xf32>, %y: memref<3xf32>) {
      %carry = buffer.alloc : memref<2x3xf32>
      buffer.fill %carry with 0.0 : f32 : memref<2x3xf32>
      loop.for %t to 4 {
        %x = buffer.view %xs[%t, 0] : memref<4x3xf32> to memref<3xf32>
        %old = buffer.view %carry[%t mod 2, 0] : memref<2x3xf32> to memref<3xf32>
        %new = buffer.view %carry[(%t + 1) mod 2, 0] : memref<2x3xf32> to memref<3xf32>
        kernel.launch @add ins(%x, %old : memref<3xf32>, memref<3xf32>) outs(%new : memref<3xf32>)
        loop.yield
      }
      %last = buffer.view %carry[0, 0] : memref<2x3xf32> to memref<3xf32>
      buffer.copy %last to %y : memref<3xf32> to memref<3xf32>
      func.return
    }
    """)
    run(module, [x, y])
    assert y == pytest.approx(x.sum(axis=0), rel=1e-6)


def test_groups_and_launches_on_tensors_return_values() -> None:
    module = parse("""
    kernel.func @same(%x: tensor<3xf32>) -> (tensor<3xf32>) { kernel.return %x : tensor<3xf32> }
    func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
      %g = kernel.group(%x) : (tensor<3xf32>) -> tensor<3xf32> {
      ^bb0(%y: tensor<3xf32>):
        kernel.return %y : tensor<3xf32>
      }
      %r = kernel.launch @same ins(%g : tensor<3xf32>) -> tensor<3xf32>
      func.return %r : tensor<3xf32>
    }
    """)
    x = floats(3)
    assert run(module, [x])[0].tolist() == x.tolist()


def test_tensors_of_a_kernel_are_read_when_it_starts() -> None:
    x, y = floats(3), np.zeros(3, np.float32)
    body = """
    %t = buffer.to_tensor %0 : memref<3xf32> to tensor<3xf32>
    buffer.fill %0 with 0.0 : f32 : memref<3xf32>
    buffer.materialize %t in %1 : tensor<3xf32> in memref<3xf32>
    """
    expected = x.tolist()
    run_kernel(body, x, y)
    assert (y.tolist(), x.tolist()) == (expected, [0, 0, 0])


MATMUL = """
kernel.func private @tile(%x: memref<6x20xf32>, %w: memref<20x16xf32>, %z: memref<6x16xf32>)
    outs 1 {
  %c = arith.constant 0.0 : f32
  %zero = tile.fill %c : f32 -> vector<6x16xf32>
  %acc = loop.for %k to 20 iter_args(%a = %zero) -> (vector<6x16xf32>) {
    %column = tile.load %x[0, %k] along [0] : memref<6x20xf32> -> vector<6xf32>
    %row = tile.load %w[%k, 0] along [1] : memref<20x16xf32> -> vector<16xf32>
    %n = tile.outer %column, %row, %a : vector<6xf32>, vector<16xf32> -> vector<6x16xf32>
    loop.yield %n : vector<6x16xf32>
  }
  tile.store %acc, %z[0, 0] along [0, 1] : vector<6x16xf32> to memref<6x16xf32>
  kernel.return
}
kernel.func @dense(%x: memref<12x20xf32>, %w: memref<20x16xf32>, %z: memref<12x16xf32>) outs 1 {
  loop.parallel (%i) to (2) {
    kernel.call @tile(%x[6 * %i, 0], %w[0, 0], %z[6 * %i, 0])
      : memref<12x20xf32>, memref<20x16xf32>, memref<12x16xf32>
    loop.yield
  }
  kernel.return
}
func.func @main(%x: memref<12x20xf32>, %w: memref<20x16xf32>, %z: memref<12x16xf32>) {
  kernel.launch @dense ins(%x, %w : memref<12x20xf32>, memref<20x16xf32>)
    outs(%z : memref<12x16xf32>)
  func.return
}
"""


def test_a_matrix_product_of_tiles() -> None:
    x, w, z = floats(12, 20), floats(20, 16, seed=1), np.zeros((12, 16), np.float32)
    run(parse(MATMUL), [x, w, z])
    assert z == pytest.approx(x.astype(np.float64) @ w, rel=1e-4, abs=1e-5)


def test_loads_and_stores_stay_within_the_extent() -> None:
    x, y = floats(3, 5), np.zeros((4, 8), np.float32)
    body = """
    %t = tile.load %0[0, 0] along [0, 1] extent [3, 5] : memref<3x5xf32> -> vector<4x8xf32>
    tile.store %t, %1[0, 0] along [0, 1] : vector<4x8xf32> to memref<4x8xf32>
    """
    run_kernel(body, x, y)
    assert np.array_equal(y, np.pad(x, ((0, 1), (0, 3))))
    z = np.zeros((3, 5), np.float32)
    body = """
    %t = tile.load %0[0, 0] along [0, 1] : memref<4x8xf32> -> vector<4x8xf32>
    tile.store %t, %1[1, 0] along [0, 1] extent [2, 5] : vector<4x8xf32> to memref<3x5xf32>
    """
    run_kernel(body, y, z)
    assert np.array_equal(z, np.concatenate([np.zeros((1, 5)), x[:2]]))


def test_tiles_turn_spread_and_number_their_lanes() -> None:
    x = floats(2, 3)
    turned = value(
        "%r = tile.transpose %0 : vector<2x3xf32> -> vector<3x2xf32> -> vector<3x2xf32>", x
    )
    assert np.array_equal(turned, x.T)
    row = value(
        "%r = tile.broadcast %0 along [1] : vector<3xf32> -> vector<2x3xf32> -> vector<2x3xf32>",
        x[0],
    )
    assert np.array_equal(row, [x[0], x[0]])
    column = value(
        "%r = tile.broadcast %0 along [0] : vector<2xf32> -> vector<2x3xf32> -> vector<2x3xf32>",
        x[:, 0],
    )
    assert np.array_equal(column, np.stack([x[:, 0]] * 3, axis=1))
    assert value("%r = tile.lanes : vector<4xi32> -> vector<4xi32>").tolist() == [0, 1, 2, 3]
    assert (
        value("%r = tile.fill %0 : f32 -> vector<2xf32> -> vector<2xf32>", x[0, 0]).tolist()
        == [x[0, 0]] * 2
    )


def test_a_reduction_combines_halves() -> None:
    x = np.array([1e8, 1, -1e8, 3, 5], np.float32)
    lower = np.array(
        [np.float32(1e8) + np.float32(3), np.float32(1) + np.float32(5), -1e8], np.float32
    )
    expected = (lower[0] + lower[2]) + lower[1]
    assert value('%r = tile.reduce "sum" %0 along [0] : vector<5xf32> -> f32 -> f32', x) == expected
    tile = floats(3, 4)
    largest = value(
        '%r = tile.reduce "max" %0 along [1] : vector<3x4xf32> -> vector<3xf32> -> vector<3xf32>',
        tile,
    )
    assert np.array_equal(largest, tile.max(axis=1))
