"""Key-value stores: what is pushed, summed, updated and pulled. The numbers are MXNet's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, kvstore, nd, optimizer
from nnc.errors import NncError
from nnc.gluon import nn


def full(value: float, size: int = 2) -> nd.NDArray:
    return nd.full((size,), value)


def pulled(store: kvstore.KVStore, key: Any, size: int = 2) -> list[float]:
    out = full(-1, size)
    store.pull(key, out=out)
    return out.tolist()


def store_of(**values: float) -> kvstore.KVStore:
    store = kvstore.create("local")
    store.init(list(values), [full(value) for value in values.values()])
    return store


def test_what_is_pushed_replaces_the_value() -> None:
    store = store_of(a=2)
    first = full(0)
    store.pull("a", out=first)
    store.push("a", full(8))
    assert first.tolist() == [2, 2]
    assert pulled(store, "a") == [8, 8]


def test_lists_are_summed() -> None:
    store = store_of(a=2)
    parts = [full(1), full(3)]
    store.push("a", parts)
    assert pulled(store, "a") == [4, 4]
    outs = [full(0), full(0)]
    store.pull("a", out=outs)
    assert [x.tolist() for x in (*outs, *parts)] == [[4, 4], [4, 4], [1, 1], [3, 3]]


def test_push_and_pull_at_once() -> None:
    store = store_of(a=2)
    parts, out = [full(3), full(4)], full(0)
    store.pushpull("a", parts, out=out)
    assert [x.tolist() for x in (*parts, out)] == [[3, 3], [4, 4], [7, 7]]
    store.pushpull("a", parts)
    assert [x.tolist() for x in parts] == [[7, 7], [7, 7]]


def test_several_keys() -> None:
    store = kvstore.create()
    store.init([5, 7], [full(1), full(2, 3)])
    store.push([5, 7], [[full(1), full(1)], full(5, 3)])
    outs = [[full(0), full(0)], full(0, 3)]
    store.pull([5, 7], out=outs)
    assert pulled(store, 5) == [2, 2]
    assert pulled(store, 7, 3) == [5, 5, 5]
    store.broadcast(9, full(9), out=outs[0])
    assert [x.tolist() for x in outs[0]] == [[9, 9], [9, 9]]


def test_an_updater_changes_the_value() -> None:
    store = store_of(a=2)

    def update(key: str, pushed: nd.NDArray, value: nd.NDArray) -> None:
        value += pushed * len(key + "!")

    store.set_updater(update)
    store.push("a", [full(1), full(2)])
    assert pulled(store, "a") == [8, 8]


def test_an_optimizer_updates_and_its_state_is_saved(tmp_path: Path) -> None:
    """With momentum the second step is longer: -0.5, then -0.95; the file remembers it."""
    file = str(tmp_path / "states")
    store = store_of(w=1)
    store.set_optimizer(optimizer.SGD(learning_rate=0.5, momentum=0.9))
    store.push("w", full(1))
    store.save_optimizer_states(file)
    store.push("w", full(1))
    np.testing.assert_allclose(pulled(store, "w"), [-0.45, -0.45], rtol=1e-6)
    again = store_of(w=0.5)
    again.set_optimizer(optimizer.SGD(learning_rate=0.1, momentum=0.9))
    again.load_optimizer_states(file)
    again.push("w", full(1))
    np.testing.assert_allclose(pulled(again, "w"), [-0.45, -0.45], rtol=1e-6)


def test_a_training_with_a_store_is_that_of_a_trainer() -> None:
    """Adam, which counts its steps; gradients are pushed, weights pulled, while recording."""

    def trained(by_store: bool) -> list[float]:
        nnc.random.seed(3)
        net = nn.Dense(1, in_units=2)
        net.initialize(nnc.init.Normal(1))
        store, rule = kvstore.create("device"), optimizer.Adam(0.1)
        trainer = gluon.Trainer(net.collect_params(), optimizer.Adam(0.1), kvstore=store)
        store.set_optimizer(rule)
        parameters = list(net.collect_params().values())
        for i, p in enumerate(parameters):
            store.init(i, p.data())
        for _ in range(3):
            with autograd.record():
                loss = net(nd.array([[1, 2], [3, 4]])).square().sum()
                loss.backward()
                if by_store:
                    for i, p in enumerate(parameters):
                        store.push(i, p.grad())
                        store.pull(i, out=p.data())
            if not by_store:
                trainer.step(1)
        return [x for p in parameters for x in p.data().reshape(-1).tolist()]

    np.testing.assert_allclose(trained(True), trained(False), rtol=1e-6)


def test_names_and_the_one_process() -> None:
    for name in ("local", "device", "nccl"):
        store = kvstore.create(name)
        assert (store.type, store.rank, store.num_workers) == (name, 0, 1)
        assert store.is_capable(kvstore.KVStoreBase.OPTIMIZER)
    assert nnc.kv is kvstore


def test_a_store_of_ones_own() -> None:
    @kvstore.KVStoreBase.register
    class Echo(kvstore.KVStoreBase):
        def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
            out[:] = value

        def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
            out[:] = value

        def is_capable(self, capability: str) -> bool:
            return False

    store = kvstore.create("Echo")
    assert isinstance(store, Echo)
    assert (store.type, store.rank, store.num_workers) == ("echo", 0, 1)
    gluon.Trainer(initialized(), "sgd", kvstore=store)


def initialized() -> dict[str, gluon.Parameter]:
    net = nn.Dense(1, in_units=1)
    net.initialize()
    return net.collect_params()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda: kvstore.create("dist_sync"),
            "kvstore: 'dist_sync' is of several processes; there is one, use 'device'",
        ),
        (lambda: kvstore.create("locl"), "kvstore: no 'locl'; did you mean local?"),
        (
            lambda: gluon.Trainer(initialized(), "sgd", kvstore=3),
            "kvstore: expected a store or the name of one, given 3",
        ),
        (
            lambda: gluon.Trainer(initialized(), "sgd", kvstore="dist"),
            "kvstore: 'dist' is of several processes; there is one, use 'device'",
        ),
        (
            lambda: store_of(a=1).init("a", full(1)),
            "kvstore: key 'a' is initialized already",
        ),
        (
            lambda: store_of(a=1).init("b", [full(1), full(1)]),
            "kvstore: init takes one array for a key, given 2",
        ),
        (
            lambda: store_of(weight=1).push("weigth", full(1)),
            "kvstore: key 'weigth' is not initialized; did you mean weight?",
        ),
        (
            lambda: store_of(a=1).push("a", full(1, 3)),
            "kvstore: key 'a' has shape (2,), given (3,)",
        ),
        (
            lambda: store_of(a=1).pull("a"),
            "kvstore: pull needs `out`, arrays to copy the value into",
        ),
        (
            lambda: store_of(a=1).push("a", 3),
            "kvstore: push: expected an array of nnc or a list of them, given 3",
        ),
        (
            lambda: store_of(a=1, b=2).push(["a", "b"], full(1)),
            "kvstore: push of 2 keys needs a list of as many values",
        ),
        (
            lambda: kvstore.create().set_optimizer("sgd"),
            "kvstore: expected an nnc.optimizer, given 'sgd'",
        ),
        (
            lambda: kvstore.create().set_updater(3),
            "kvstore: updater: expected a function, given 3",
        ),
        (
            lambda: store_of(a=1).save_optimizer_states("file"),
            "kvstore: there are no states; call set_optimizer first",
        ),
        (
            lambda: store_of(a=1).set_gradient_compression({"type": "2bit"}),
            "kvstore: gradients stay in this process and cannot be compressed",
        ),
        (
            lambda: store_of(a=1).is_capable("compression"),
            "is_capable: no 'compression'; known: optimizer",
        ),
    ],
)
def test_mistakes(mistake: Callable[[], Any], message: str) -> None:
    with pytest.raises(NncError) as caught:
        mistake()
    assert str(caught.value) == message
