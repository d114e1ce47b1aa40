"""Blocks and their parameters, beside layers: hooks, sharing, declarations of Gluon 1.x."""

import copy
import inspect
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, init, nd
from nnc.arrays.array import NDArray
from nnc.errors import DeferredInitializationError, OptionError, ShapeError
from nnc.gluon import nn


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


class Affine(gluon.HybridBlock):
    """`scale * x weight^T + bias` in the manner of Gluon 1.x."""

    def __init__(self, units: int, in_units: int = 0, **options: Any):
        super().__init__(**options)
        with self.name_scope():
            self.weight = self.params.get(
                "weight", shape=(units, in_units), allow_deferred_init=True
            )
            self.bias = self.params.get("bias", shape=(units,), init="ones")
            self.scale = self.params.get_constant("scale", [2.0])

    def hybrid_forward(
        self, F: Any, x: NDArray, weight: NDArray, bias: NDArray, scale: NDArray
    ) -> NDArray:
        return F.dot(x, weight, transpose_b=True) * scale + bias


class Finished(Affine):
    """Finds the sizes as in Gluon 2."""

    def infer_shape(self, x: NDArray) -> None:
        self.weight.shape = (self.weight.shape[0], x.shape[1])


def initialized(block: Any, *inputs: Any) -> Any:
    block.initialize(init.One())
    if inputs:
        block(*inputs)
    return block


def through_pickle(block: Any) -> Any:
    return pickle.loads(pickle.dumps(block))


def two_layers() -> Any:
    return initialized(nn.HybridSequential(nn.Dense(3, in_units=2), nn.Dense(3, in_units=3)))


def test_parameters_are_declared_and_passed_by_the_names_of_attributes() -> None:
    block = initialized(Affine(3, 2))
    assert list(block.collect_params()) == ["weight", "bias", "scale"]
    np.testing.assert_array_equal(block(nd.ones((1, 2))).asnumpy(), np.full((1, 3), 5))


def test_a_declaration_that_no_attribute_holds_keeps_its_name() -> None:
    block = gluon.Block()
    parameter = block.params.get("table", shape=(2,))
    assert dict(block.collect_params()) == {"table": parameter}
    assert block.params.get("table") is parameter
    assert block.params.get("chair") is None
    with pytest.raises(ShapeError, match=r"'table': expected shape \(2,\), given \(3,\)"):
        block.params.get("table", shape=(3,))
    with pytest.raises(OptionError, match="'table' is float32 already, given dtype float64"):
        block.params.get("table", dtype="float64")
    with pytest.raises(OptionError, match="there is no constant 'chair'; give its value"):
        block.params.get_constant("chair")


def test_sizes_are_found_at_the_first_call() -> None:
    assert initialized(Finished(3), nd.ones((1, 4))).weight.shape == (3, 4)
    with pytest.raises(
        DeferredInitializationError,
        match=r"Affine: parameter 'weight' has shape \(3, 0\), and infer_",
    ):
        initialized(Affine(3), nd.ones((1, 4)))
    with pytest.raises(DeferredInitializationError, match="'weight' has not been initialized"):
        Affine(3)(nd.ones((1, 4)))


def test_a_parameter_has_the_name_of_its_attribute() -> None:
    block: Any = gluon.Block()
    block.table = block.params.get("weight", shape=(2,))
    block.again = block.table
    assert dict(block.params) == {"table": block.table, "again": block.table}


class Inferring(gluon.HybridBlock):
    """Weights whose sizes the functions of F find, as in the tutorials of Gluon 1.x."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = self.params.get("kernel", shape=(4, 0, 3, 3), allow_deferred_init=True)
        self.back = self.params.get("back", shape=(0, 2, 3, 3), allow_deferred_init=True)
        self.weights = self.params.get("weights", shape=(5, 0), allow_deferred_init=True)
        self.rows = self.params.get("rows", shape=(3, 0), allow_deferred_init=True)

    def hybrid_forward(
        self, F: Any, x: Any, kernel: Any, back: Any, weights: Any, rows: Any
    ) -> Any:
        x = F.Convolution(x, kernel, kernel=(3, 3), num_filter=4, num_group=2, no_bias=True)
        x = F.Deconvolution(x, back, kernel=(3, 3), num_filter=2)
        x = F.FullyConnected(x, weights, num_hidden=5, no_bias=True, flatten=False)
        return F.FullyConnected(x, rows, num_hidden=3, no_bias=True)


def test_functions_find_the_sizes_of_weights() -> None:
    net = initialized(Inferring())
    with autograd.record():
        y = net(nd.ones((2, 6, 5, 7)))
    y.backward()
    shapes = {name: p.shape for name, p in net.collect_params().items()}
    assert shapes == {
        "kernel": (4, 3, 3, 3), "back": (4, 2, 3, 3), "weights": (5, 7), "rows": (3, 50)
    }  # fmt: skip
    assert net.kernel.grad().asnumpy().all()
    assert net(nd.ones((3, 6, 5, 7))).shape == (3, 3)
    with pytest.raises(ShapeError, match=r"images \(N, 6, H, W\), given shape \(3, 8, 5, 7\)"):
        net(nd.ones((3, 8, 5, 7)))


def test_params_of_another_block_are_shared() -> None:
    first = Affine(3, 2)
    second = Affine(3, 2, prefix="second_", params=first.params)
    assert second.weight is first.weight
    assert second.scale is first.scale


def test_a_dict_of_parameters_with_a_prefix() -> None:
    made = gluon.ParameterDict("net_")
    weight = made.get("weight", shape=(2, 3), grad_req="add")
    constant = made.get_constant("mean", np.array([1, 2], "int32"))
    assert [weight.name, constant.name] == list(made) == ["net_weight", "net_mean"]
    made.initialize("ones", ctx=nnc.cpu())
    assert constant.data().tolist() == [1, 2]
    made.setattr("grad_req", "write")
    assert (weight.grad_req, constant.grad_req) == ("write", "null")
    made.setattr("lr_mult", 0.5)
    assert weight.lr_mult == 0.5
    with autograd.record():
        y = (weight.data() * 3).sum()
    y.backward()
    assert weight.grad().tolist() == [[3] * 3] * 2
    made.zero_grad()
    assert weight.grad().tolist() == [[0] * 3] * 2
    made.reset_ctx(nnc.cpu())
    assert made.list_ctx() == [nnc.cpu()]
    assert weight.var() is weight.data()
    with pytest.raises(OptionError, match="parameters have no attribute 'colour'"):
        made.setattr("colour", 1)


def test_a_constant_is_saved_and_not_trained(tmp_path: Any) -> None:
    block = initialized(Affine(1, 1))
    trainer = gluon.Trainer(block.collect_params(), "sgd", {"learning_rate": 1})
    with autograd.record():
        loss = block(nd.ones((1, 1)))
    loss.backward()
    trainer.step(1)
    assert (block.weight.data().item(), block.scale.data().item()) == (-1, 2)
    block.save_parameters(str(tmp_path / "file"))
    block.scale.set_data([5])
    block.load_parameters(str(tmp_path / "file"))
    assert block.scale.data().item() == 2
    assert repr(block.scale) == "Constant scale (shape=(1,), dtype=float32)"


def test_statistics_stay_without_gradient() -> None:
    net = initialized(nn.BatchNorm(in_channels=2))
    net.setattr("grad_req", "add")
    assert [p.grad_req for p in net.collect_params().values()] == ["add", "add", "null", "null"]


def test_share_parameters() -> None:
    net, other = two_layers(), two_layers()
    assert net[0].share_parameters(other[1].collect_params("bias")) is net[0]
    assert net[0].bias is other[1].bias
    assert net.collect_params()["0.bias"] is other[1].bias
    assert net[0].weight is not other[1].weight
    net.share_parameters(other.collect_params())
    assert net[1].weight is other[1].weight
    with pytest.warns(UserWarning, match="there is no parameter 'gamma'"):
        net[0].share_parameters({"gamma": other[0].weight})
    with pytest.raises(ShapeError, match=r"expected shape \(3, 2\), given \(3, 3\)"):
        net[0].share_parameters(net[1].collect_params())


def test_a_shared_parameter_sums_its_gradients() -> None:
    net = initialized(nn.HybridSequential(nn.Dense(1, in_units=1), nn.Dense(1, in_units=1)))
    net[1].share_parameters(net[0].collect_params())
    with autograd.record():
        y = net(nd.array([[3.0]]))
    y.backward()
    assert net[0].weight.grad().item() == 2 * 3  # of w * (w * x) at w = 1


def test_hooks_see_inputs_and_results_until_they_are_detached() -> None:
    net, seen = two_layers(), list[Any]()

    def see(*what: Any) -> None:
        seen.append(what)

    before = net[1].register_forward_pre_hook(see)
    after = net[1].register_forward_hook(see)
    result = net(nd.ones((1, 2)))
    [first, second] = seen
    assert first == second[:2]
    assert first[0] is net[1]
    assert second[2] is result
    before.detach()
    before.detach()
    net(nd.ones((1, 2)))
    assert len(seen) == 3
    with after:
        net(nd.ones((1, 2)))
    net(nd.ones((1, 2)))
    assert len(seen) == 4
    with pytest.raises(OptionError, match="register_forward_hook: expected a function, given 3"):
        net.register_forward_hook(3)


def test_what_a_hook_keeps_is_computed_with_the_step() -> None:
    net, kept = two_layers(), list[NDArray]()

    def keep(block: gluon.Block, args: Any, y: NDArray) -> None:
        kept.append(y.mean())

    net[0].register_forward_hook(keep)
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with autograd.record():
        loss = net(nd.ones((1, 2)))
    loss.backward()
    trainer.step(1)
    assert kept[0].current.memory is not None
    assert kept[0].item() == 2


def test_operation_hooks_see_what_is_recorded() -> None:
    net, seen = two_layers(), list[tuple[str, str, Any]]()

    def see(name: str, operation: str, array: NDArray) -> None:
        seen.append((name, operation, (array * 1).shape))  # what a hook records is not seen

    with net.register_op_hook(see):
        net(nd.ones((1, 2)))
    assert seen == [("dense0_output", "dense", (1, 3)), ("dense1_output", "dense", (1, 3))]
    seen.clear()
    with net[1].register_op_hook(see, monitor_all=True):
        net(nd.ones((1, 2)))
    names = ["dense0_input", "dense0_input1", "dense0_input2", "dense0_output"]
    assert [name for name, _, _ in seen] == names


def test_a_hook_that_fails_leaves_nothing_behind() -> None:
    net = two_layers()

    def fail(*seen: Any) -> None:
        raise ZeroDivisionError

    net.register_op_hook(fail)
    with pytest.raises(ZeroDivisionError):
        net(nd.ones((1, 2)))
    assert (nd.ones((2,)) + 1).tolist() == [2, 2]


@pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle])
def test_declarations_survive_copies(copied: Any) -> None:
    again = copied(initialized(Affine(3, 2, params=Affine(3, 2).params)))
    assert list(again.collect_params()) == ["weight", "bias", "scale"]
    np.testing.assert_array_equal(again(nd.ones((1, 2))).asnumpy(), np.full((1, 3), 5))


def test_blocks_are_shown_as_gluon_shows_them() -> None:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, padding=1, groups=2, in_channels=4, activation="relu"))
    net.add(nn.Conv2DTranspose(6, 2, use_bias=False, in_channels=8), nn.MaxPool2D())
    net.add(nn.BatchNorm(scale=False), nn.Dense(4), nn.Dropout(0.5), nn.Embedding(3, 4))
    assert repr(net).splitlines()[1:-1] == [
        "  (0): Conv2D(4 -> 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=2, "
        "Activation(relu))",
        "  (1): Conv2DTranspose(8 -> 6, kernel_size=(2, 2), stride=(1, 1), bias=False)",
        "  (2): MaxPool2D(size=(2, 2), stride=(2, 2), padding=(0, 0), ceil_mode=False)",
        "  (3): BatchNorm(axis=1, momentum=0.9, use_global_stats=False, eps=1e-05, "
        "center=True, scale=False, in_channels=None)",
        "  (4): Dense(None -> 4, linear)",
        "  (5): Dropout(p = 0.5, axes=())",
        "  (6): Embedding(3 -> 4, float32)",
    ]
    assert repr(nn.Lambda("relu")) == "Lambda(relu)"


def test_types_follow_an_input_and_compiling_can_come_first() -> None:
    net = two_layers()
    net.infer_type(nd.ones((1, 2), dtype="float64"))
    assert net[0].weight.dtype == np.float64
    net.optimize_for(nd.ones((1, 2), dtype="float64"))
    with pytest.raises(OptionError, match="nnc is the only backend, given 'MKLDNN'"):
        net.optimize_for(nd.ones((1, 2)), backend="MKLDNN")


def test_a_block_must_say_what_it_computes() -> None:
    with pytest.raises(OptionError, match=r"HybridBlock must define forward\(\)"):
        gluon.HybridBlock()(nd.ones((1,)))


def test_a_model_is_saved_with_its_blocks(tmp_path: Path) -> None:
    net, again = two_layers(), nn.HybridSequential(nn.Dense(3), nn.Dense(3))
    net[0].weight.set_data(np.arange(6).reshape(3, 2))
    net.save(tmp_path / "net")
    again.load(tmp_path / "net")
    x = nd.array([[1.0, 2.0]])
    np.testing.assert_array_equal(net(x).asnumpy(), again(x).asnumpy())
    other = nn.HybridSequential(nn.Dense(3), nn.Activation("relu"))
    with pytest.raises(OptionError, match="at '1' it has Dense, the network Activation"):
        other.load(tmp_path / "net")
    with pytest.raises(OptionError, match="at '2' it has nothing, the network Dense"):
        nn.HybridSequential(nn.Dense(3), nn.Dense(3), nn.Dense(1)).load(tmp_path / "net")
    for text in ("[]", "{", '{"blocks": 3}'):
        (tmp_path / "net-model.json").write_text(text)
        with pytest.raises(
            OptionError, match=r"net-model.json is not a file that Block.save wrote"
        ):
            again.load(tmp_path / "net")


def test_every_block_takes_the_arguments_of_gluon_1() -> None:
    layers: Any = nn
    first = layers.Dense(3, in_units=2, prefix="first_")
    assert (first.prefix, nn.Dense(3).prefix) == ("first_", "")
    second = layers.Dense(3, in_units=2, use_bias=False, params=first.params)
    assert second.weight is first.weight
    assert second.bias is None
    assert inspect.signature(nn.Dense).parameters.keys() >= {"units", "in_units"}

    class Greeting(gluon.Block):
        def __init__(self, prefix: str = ""):
            super().__init__()
            self.text = prefix

    assert Greeting(prefix="hello").text == "hello"
    with pytest.raises(ShapeError, match=r"expected shape \(4, 2\), given \(3, 2\)"):
        layers.Dense(4, in_units=2, params=first.params)

    class Pair(nn.HybridBlock):
        def __init__(self, **options: Any):
            super().__init__(**options)
            self.left, self.right = nn.Dense(3, in_units=2), nn.Dense(3, in_units=2)

    pair = Pair(prefix="pair_")
    assert Pair(params=pair.collect_params()).right.weight is pair.right.weight


def test_each_block_has_a_name_of_its_own() -> None:
    class OwnHead(nn.Block):
        pass

    head, other, left = OwnHead(), OwnHead(), OwnHead(prefix="left_")
    assert [head.name, other.name, left.name] == ["ownhead0", "ownhead1", "left"]
    head.name = "own"
    assert head.name == "own"

    class InARow(nn.Block):
        """As books write it."""

        def add(self, block: nn.Block) -> None:
            self._children[block.name] = block

        def forward(self, x: NDArray) -> NDArray:
            for block in self._children.values():
                x = block(x)
            return x

    net = InARow()
    net.add(nn.Dense(3, in_units=2))
    net.add(nn.Dense(4, in_units=3))
    net.initialize()
    assert net(nd.ones((1, 2))).shape == (1, 4)
    assert len(net.collect_params()) == 4


def test_a_dict_of_parameters_is_found_where_mxnet_has_it() -> None:
    net = nn.Dense(3, in_units=2)
    assert isinstance(net.collect_params(), gluon.parameter.ParameterDict)
    with pytest.raises(AttributeError, match="ParametersDict"):
        _ = gluon.parameter.ParametersDict


def test_names_of_parameters_as_in_gluon_1_are_not_found_in_silence() -> None:
    net = nn.HybridSequential(nn.Dense(3, in_units=2), nn.Dense(2, in_units=3))
    named = r"names are places in the network: \['0.bias', '0.weight', '1.bias', '1.weight'\]"
    with pytest.raises(KeyError, match=f"there is no parameter 'dense0_weight'; {named}"):
        net.collect_params()["dense0_weight"]
    with pytest.warns(UserWarning, match=f"no parameter matches 'dense0_.*'; {named}"):
        assert not net.collect_params("dense0_.*")
    assert not nn.Activation("relu").collect_params("weight")


def test_blocks_that_are_only_in_a_list_are_a_warning() -> None:
    class Tower(nn.Block):
        def __init__(self, head: nn.Block):
            super().__init__()
            self.head = head
            self.options = {"head": head}
            self.layers: list[nn.Block] = []

    tower = Tower(nn.Dense(3, in_units=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(tower.collect_params()) == ["head.weight", "head.bias"]
    tower.layers = [nn.Dense(3)]
    with pytest.warns(UserWarning, match="Tower: the blocks in 'layers' belong to no network"):
        tower.collect_params()
