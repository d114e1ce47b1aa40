"""Recurrent layers and cells as Gluon's users call them."""

from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd
from nnc.errors import OptionError, ShapeError
from nnc.gluon import nn, rnn


def initialized(net: Any) -> Any:
    net.initialize()
    return net


def draw(*shape: int) -> nd.NDArray:
    return nd.array(np.random.default_rng(0).standard_normal(shape))


def test_layouts_names_and_states() -> None:
    net = initialized(rnn.LSTM(4, 2, layout="NTC", bidirectional=True))
    x = draw(3, 5, 2)
    assert net(x).shape == (3, 5, 8)
    y, states = net(x, net.begin_state(3))
    assert y.shape == (3, 5, 8)
    assert [s.shape for s in states] == [(4, 3, 4)] * 2
    assert net.l0_i2h_weight.shape == (16, 2)
    assert net.r1_i2h_weight.shape == (16, 8)
    assert "r1_h2h_bias" in net.collect_params()
    assert repr(net).startswith("LSTM(2 -> 4, NTC, num_layers=2, bidirectional")
    np.testing.assert_allclose(net(x).asnumpy(), y.asnumpy(), rtol=1e-6)


def test_kernels_do_not_grow_with_the_length() -> None:
    kernels: list[int] = []
    for steps in (3, 30):
        net = initialized(nn.HybridSequential(rnn.LSTM(8), nn.Dense(2)))
        trainer = None
        x, label = draw(steps, 4, 3), nd.array(np.zeros(steps), dtype="int32")
        net(x)
        trainer = gluon.Trainer(net.collect_params(), "sgd")
        step = nnc.compile_step(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer)
        step(x, label)
        kernels.append(len(step.report().kernels))
    assert kernels[0] == kernels[1]


def last(y: nd.NDArray) -> nd.NDArray:
    return y[-1]


def test_a_gru_learns_to_remember() -> None:
    """The first input's sign, after four others."""
    random = np.random.default_rng(1)
    nnc.random.seed(0)
    net = initialized(nn.HybridSequential(rnn.GRU(8), nn.HybridLambda(last), nn.Dense(2)))
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    losses: list[float] = []
    for _ in range(120):
        x = random.standard_normal((5, 32, 1)).astype("float32")
        with autograd.record():
            loss = loss_of(net(nd.array(x)), nd.array(x[0, :, 0] > 0, dtype="int32"))
        loss.backward()
        trainer.step(32)
        losses.append(float(loss.mean()))
    assert np.mean(losses[-10:]) < 0.25
    assert np.mean(losses[:10]) > 0.6


def test_unrolling() -> None:
    cell = rnn.SequentialRNNCell()
    for part in (rnn.LSTMCell(4), rnn.DropoutCell(0.5), rnn.ResidualCell(rnn.GRUCell(4))):
        cell.add(part)
    initialized(cell)
    x = draw(2, 3, 5)
    merged, states = cell.unroll(3, x)
    assert merged.shape == (2, 3, 4)
    assert [s.shape for s in states] == [(2, 4)] * 3
    listed, _ = cell.unroll(3, [x[:, t] for t in range(3)])
    np.testing.assert_allclose(nd.stack(*listed, axis=1).asnumpy(), merged.asnumpy(), rtol=1e-6)
    state, outputs = cell.begin_state(2), []
    for t in range(3):
        y, state = cell(x[:, t], state)
        outputs.append(y)
    np.testing.assert_allclose(nd.stack(*outputs, axis=1).asnumpy(), merged.asnumpy(), rtol=1e-6)


def test_what_follows_the_valid_length_is_zero() -> None:
    cell = initialized(rnn.GRUCell(4))
    x = draw(2, 3, 5)
    y, [state] = cell.unroll(3, x, valid_length=nd.array([1, 3]))
    short, [expected] = cell.unroll(1, x[:, :1])
    np.testing.assert_array_equal(y[0, 1:].asnumpy(), 0)
    np.testing.assert_allclose(y[0, 0].asnumpy(), short[0, 0].asnumpy(), rtol=1e-6)
    np.testing.assert_allclose(state[0].asnumpy(), expected[0].asnumpy(), rtol=1e-6)


@pytest.mark.parametrize("layout", ["TNC", "NTC"])
def test_sequences_of_a_layer_end_at_their_lengths(layout: str) -> None:
    net = initialized(rnn.LSTM(3, 2, layout, bidirectional=True, use_sequence_length=True))
    x, lengths = draw(2, 4, 5), [2, 4]
    given = x if layout == "NTC" else x.transpose(1, 0, 2)
    y, states = net(given, net.begin_state(2), sequence_length=nd.array(lengths))
    y = y if layout == "NTC" else y.transpose(1, 0, 2)
    for i, length in enumerate(lengths):
        part = x[i : i + 1, :length]
        part = part if layout == "NTC" else part.transpose(1, 0, 2)
        alone, ends = net(part, states=net.begin_state(1), sequence_length=[length])
        np.testing.assert_allclose(
            y[i, :length].asnumpy(), alone.reshape(length, 6).asnumpy(), 1e-5
        )
        np.testing.assert_array_equal(y[i, length:].asnumpy(), 0)
        for state, end in zip(states, ends, strict=True):
            np.testing.assert_allclose(state[:, i].asnumpy(), end[:, 0].asnumpy(), rtol=1e-5)
    with pytest.raises(OptionError, match=r"sequence_length=… says how many steps"):
        net(given)
    with pytest.raises(ShapeError, match=r"one number for each of 2 sequences, given shape \(3,\)"):
        net(given, sequence_length=[1, 2, 3])


def test_both_directions_end_at_the_valid_length() -> None:
    cell = initialized(rnn.BidirectionalCell(rnn.GRUCell(3), rnn.GRUCell(3)))
    x = draw(2, 4, 5)
    y, states = cell.unroll(4, x, valid_length=nd.array([2, 4]))
    alone, ends = cell.unroll(2, x[:1, :2])
    np.testing.assert_allclose(y[0, :2].asnumpy(), alone[0].asnumpy(), rtol=1e-5)
    np.testing.assert_array_equal(y[0, 2:].asnumpy(), 0)
    for state, end in zip(states, ends, strict=True):
        np.testing.assert_allclose(state[0].asnumpy(), end[0].asnumpy(), rtol=1e-5)


def test_both_directions() -> None:
    cell = initialized(rnn.BidirectionalCell(rnn.RNNCell(3), rnn.RNNCell(3)))
    x = draw(2, 4, 5)
    y, states = cell.unroll(4, x)
    assert y.shape == (2, 4, 6)
    assert len(states) == 2
    back, _ = cell.r_cell.unroll(4, nd.flip(x, axis=1))
    np.testing.assert_allclose(y[:, :, 3:].asnumpy(), nd.flip(back, axis=1).asnumpy(), rtol=1e-6)


def test_zoneout_keeps_old_states() -> None:
    cell = initialized(rnn.ZoneoutCell(rnn.RNNCell(50), zoneout_states=0.4))
    x, state = draw(20, 3), [nd.ones((20, 50)) * 7]
    _, [calm] = cell(x, state)
    assert (calm.asnumpy() != 7).all()
    with autograd.record():
        _, [mixed] = cell(x, state)
    assert 0.3 < np.mean(mixed.asnumpy() == 7) < 0.5


def test_a_projected_cell_against_its_formula() -> None:
    cell = initialized(rnn.LSTMPCell(4, 2, i2h_bias_initializer="ones"))
    x, states = draw(3, 5), [draw(3, 2), draw(3, 4)]
    output, [r, c] = cell(x, states)
    weights = {name: p.data().asnumpy() for name, p in cell.collect_params().items()}
    gates = x.asnumpy() @ weights["i2h_weight"].T + states[0].asnumpy() @ weights["h2h_weight"].T
    i, f, g, o = np.split(gates + weights["i2h_bias"] + weights["h2h_bias"], 4, axis=1)
    cells = sigmoid(f) * states[1].asnumpy() + sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(c.asnumpy(), cells, rtol=1e-5)
    expected = (sigmoid(o) * np.tanh(cells)) @ weights["h2r_weight"].T
    np.testing.assert_allclose(r.asnumpy(), expected, rtol=1e-5)
    assert output is r
    outputs, last = cell.unroll(6, draw(3, 6, 5))
    assert (outputs.shape, [state.shape for state in last]) == ((3, 6, 2), [(3, 2), (3, 4)])


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def test_variational_dropout_draws_once_for_all_steps() -> None:
    base = rnn.RNNCell(40, activation="relu")
    cell = initialized(rnn.VariationalDropoutCell(base, drop_outputs=0.5))
    x = draw(2, 6, 3)
    plain = cell.unroll(6, x)[0].asnumpy()
    np.testing.assert_array_equal(plain, base.unroll(6, x)[0].asnumpy())
    with autograd.record():
        first, second = (cell.unroll(6, x)[0].asnumpy() for _ in range(2))
    lost = plain.any(axis=1, keepdims=True) & ~first.any(axis=1, keepdims=True)
    np.testing.assert_allclose(first, np.where(lost, 0, 2 * plain), rtol=1e-6)
    assert 0.2 < lost.mean() < 0.6
    assert (first != second).any()


def test_variational_dropout_of_inputs_and_states_step_by_step() -> None:
    cell = initialized(rnn.VariationalDropoutCell(rnn.LSTMCell(3), 0.5, 0.5))
    x, states = draw(2, 5), cell.begin_state(2)
    calls: list[Any] = []
    cell(x, states)

    def keep(block: gluon.Block, args: Any) -> None:
        calls.append(args)

    cell.base_cell.register_forward_pre_hook(keep)
    ones = [nd.ones((2, 3)), nd.ones((2, 3))]
    with autograd.record():
        for _ in range(2):
            cell(nd.ones((2, 5)), ones)
    [first, second] = [[x.asnumpy(), h.asnumpy(), c.asnumpy()] for x, [h, c] in calls]
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)
    assert set(np.unique(first[0])) | set(np.unique(first[1])) == {0, 2}
    assert (first[2] == 1).all()
    cell.reset()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rnn.LSTM(0), "LSTM: hidden_size: expected an integer of at least 1, given 0"),
        (lambda: rnn.GRU(3, layout="CTN"), "GRU: layout: no 'CTN'"),
        (lambda: rnn.RNN(3, activation="elu"), "RNN: activation: no 'elu'"),
        (lambda: rnn.LSTM(3, projection_size=2), "LSTM: projections and clipped states are not"),
        (lambda: rnn.LSTMPCell(3, 0), "LSTMPCell: projection_size: expected an integer of at"),
        (lambda: rnn.LSTMCell(3, activation="relu"), "LSTMCell: expected activation 'tanh'"),
    ],
)
def test_options_are_checked(make: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


def test_shapes_are_checked() -> None:
    net = initialized(rnn.LSTM(3))
    with pytest.raises(ShapeError, match=r"LSTM: expected TNC with 3 axes, given shape \(2, 3\)"):
        net(draw(2, 3))
    net(draw(2, 3, 4))
    with pytest.raises(ShapeError, match=r"LSTM: expected states of shapes .* given"):
        net(draw(2, 3, 4), [draw(1, 3, 3)])
    with pytest.raises(ShapeError, match="unroll: expected 5 steps, given 4"):
        initialized(rnn.RNNCell(3)).unroll(5, draw(2, 4, 3))


def test_small_layers() -> None:
    x = draw(2, 3)
    values = x.asnumpy()
    np.testing.assert_allclose(
        nn.LeakyReLU(0.1)(x).asnumpy(), np.where(values > 0, values, 0.1 * values)
    )
    np.testing.assert_array_equal(nn.Identity()(x).asnumpy(), values)
    prelu = initialized(nn.PReLU())
    np.testing.assert_allclose(prelu(x).asnumpy(), np.where(values > 0, values, 0.25 * values))
    for layer in (nn.ELU(), nn.SELU(), nn.GELU(), nn.GELU("tanh"), nn.Swish(), nn.SiLU()):
        assert initialized(layer)(x).shape == (2, 3)
    both = nn.HybridConcatenate()
    both.add(nn.Identity(), nn.Identity())
    np.testing.assert_array_equal(both(x).asnumpy(), np.concatenate([values, values], -1))


def test_embedding() -> None:
    net = initialized(nn.Embedding(5, 3))
    index = nd.array([[0, 4], [4, 1]], dtype="int32")
    weight = net.weight.data().asnumpy()
    with autograd.record():
        y = net(index)
    np.testing.assert_array_equal(y.asnumpy(), weight[index.asnumpy()])
    y.backward()
    np.testing.assert_array_equal(net.weight.grad().asnumpy()[:, 0], [1, 1, 0, 0, 2])
