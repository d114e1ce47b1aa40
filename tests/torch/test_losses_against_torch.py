"""Losses and their gradients beside PyTorch's, or their formulas written in it; compiled, f64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as f

from nnc import autograd, nd
from nnc.errors import LabelError, OptionError, ShapeError
from nnc.gluon import loss

Array = np.ndarray[Any, np.dtype[Any]]
Formula = (
    Callable[[Any, Any], Any] | Callable[[Any, Any, Any], Any] | Callable[[Any, Any, Any, Any], Any]
)
RANDOM = np.random.default_rng(0)
P, Q, R = (RANDOM.standard_normal((4, 3)) for _ in range(3))
SIGNS = np.where(RANDOM.standard_normal((4, 3)) > 0, 1.0, -1.0)
COUNTS = RANDOM.integers(0, 5, (4, 3)).astype(float)
SHARES = np.exp(Q) / np.exp(Q).sum(1, keepdims=True)
IMAGES = RANDOM.standard_normal((2, 3, 4))
CLASSES = RANDOM.integers(0, 3, (2, 4))
WEIGHTS = np.array([[0.5], [2.0], [0.0], [1.0]])
SIDES = np.array([1.0, -1.0, 1.0, -1.0])


def mean(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(1).mean(1)


def sdml(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """With 0.3 of the probability for the three other rows."""
    smooth = torch.full((4, 4), 0.1, dtype=x.dtype)
    smooth[range(4), range(4)] = 0.7
    logarithm = torch.log_softmax(-torch.cdist(x, y).square(), 1)
    return (smooth * (smooth.log() - logarithm)).sum(1)


def poisson(**options: Any) -> Callable[[Any, Any], Any]:
    return lambda p, z: f.poisson_nll_loss(p, z, **options).reshape(1)


CASES: dict[str, tuple[Any, list[Array], Formula]] = {
    "l2": (loss.L2Loss(), [P, Q], lambda p, z: mean(f.mse_loss(p, z, reduction="none")) / 2),
    "l1": (loss.L1Loss(), [P, Q], lambda p, z: mean(f.l1_loss(p, z, reduction="none"))),
    "huber": (
        loss.HuberLoss(0.7), [P, Q],
        lambda p, z: mean(f.huber_loss(p, z, delta=0.7, reduction="none")) / 0.7,
    ),
    "hinge": (loss.HingeLoss(0.5), [P, SIGNS], lambda p, z: mean(torch.relu(0.5 - p * z))),
    "squared_hinge": (
        loss.SquaredHingeLoss(), [P, SIGNS], lambda p, z: mean(torch.relu(1 - p * z).square())
    ),
    "logistic": (
        loss.LogisticLoss(), [P, SIGNS],
        lambda p, z: mean(f.soft_margin_loss(p, z, reduction="none")),
    ),
    "logistic_binary": (
        loss.LogisticLoss(label_format="binary"), [P, (SIGNS + 1) / 2],
        lambda p, z: mean(f.binary_cross_entropy_with_logits(p, z, reduction="none")),
    ),
    "kl": (
        loss.KLDivLoss(), [P, SHARES], lambda p, z: mean(f.kl_div(p, z, reduction="none"))
    ),
    "kl_softmax": (
        loss.KLDivLoss(from_logits=False, axis=1), [P, SHARES],
        lambda p, z: mean(f.kl_div(torch.log_softmax(p, 1), z, reduction="none")),
    ),
    "triplet": (
        loss.TripletLoss(), [P, Q, R],
        lambda p, y, n: torch.relu(((y - p) ** 2 - (n - p) ** 2).sum(1) + 1),
    ),
    "poisson": (loss.PoissonNLLLoss(), [P, COUNTS], poisson()),
    "poisson_full": (loss.PoissonNLLLoss(compute_full=True), [P, COUNTS], poisson(full=True)),
    "poisson_rate": (
        loss.PoissonNLLLoss(from_logits=False), [np.exp(P), COUNTS], poisson(log_input=False)
    ),
    "cosine": (
        loss.CosineEmbeddingLoss(margin=0.1), [P, Q, SIDES],
        lambda x, y, z: f.cosine_embedding_loss(x, y, z, 0.1, reduction="none"),
    ),
    "sdml": (loss.SDMLLoss(), [P, Q], sdml),
    "softmax": (
        loss.SoftmaxCELoss(axis=1), [IMAGES, CLASSES],
        lambda p, z: mean(f.cross_entropy(p, z, reduction="none")),
    ),
    "softmax_logits": (
        loss.SoftmaxCELoss(axis=1, from_logits=True), [IMAGES, CLASSES],
        lambda p, z: mean(f.nll_loss(p, z, reduction="none")),
    ),
    "softmax_dense": (
        loss.SoftmaxCELoss(sparse_label=False, weight=2.0), [P, SHARES, WEIGHTS],
        lambda p, z, w: 2 * w[:, 0] * f.cross_entropy(p, z, reduction="none"),
    ),
    "softmax_dense_logits": (
        loss.SoftmaxCELoss(sparse_label=False, from_logits=True), [P, SHARES],
        lambda p, z: -(p * z).sum(1),
    ),
    "sigmoid": (
        loss.SigmoidBCELoss(), [P, SHARES, WEIGHTS, np.array([1.0, 2.0, 3.0])],
        lambda p, z, w, more: mean(
            w * f.binary_cross_entropy_with_logits(p, z, pos_weight=more, reduction="none")
        ),
    ),
}  # fmt: skip


LEARNED = {"triplet": 3, "sdml": 2, "cosine": 2}
"""How many operands have a gradient, where it is more than the prediction."""


def pair(given: Array, learned: bool) -> tuple[Any, Any]:
    """An array of ours and one of PyTorch's."""
    ours, theirs = nd.array(given, dtype=given.dtype), torch.tensor(given)
    if learned:
        ours.attach_grad()
        theirs.requires_grad = True
    return ours, theirs


@pytest.mark.parametrize("name", CASES)
def test_losses(name: str) -> None:
    """Values of samples, each with its own weight in the sum, and gradients."""
    ours, arrays, formula = CASES[name]
    theirs: Callable[..., Any] = formula
    learned = LEARNED.get(name, 1)
    pairs = [pair(given, place < learned) for place, given in enumerate(arrays)]
    expected = theirs(*(b for _, b in pairs))
    heads = np.arange(1.0, len(expected) + 1)
    expected.backward(torch.tensor(heads))
    with autograd.record():
        found = ours(*(a for a, _ in pairs))
    found.backward(nd.array(heads, dtype="float64"))
    np.testing.assert_allclose(found.asnumpy(), expected.detach().numpy(), rtol=1e-8, atol=1e-10)
    for a, b in pairs[:learned]:
        np.testing.assert_allclose(a.grad.asnumpy(), b.grad.numpy(), rtol=1e-7, atol=1e-9)


LABELS = np.array([[1, 1, 2], [0, -1, -1], [2, 0, 2]])


@pytest.mark.parametrize("layouts", [("NTC", "NT"), ("TNC", "TN")])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_ctc(layouts: tuple[str, str], dtype: str) -> None:
    """Repeated labels, padding and early ends; the blank is the last class."""
    x, steps, lengths = RANDOM.standard_normal((3, 7, 4)) * 3, [7, 3, 6], [3, 1, 3]
    tensor = torch.tensor(x, requires_grad=True)
    expected = f.ctc_loss(
        torch.log_softmax(tensor, 2).transpose(0, 1), torch.tensor(LABELS), torch.tensor(steps),
        torch.tensor(lengths), blank=3, reduction="none",
    )  # fmt: skip
    expected.sum().backward()
    assert tensor.grad is not None
    turned = layouts[0] == "TNC"
    given = nd.array(x.transpose(1, 0, 2) if turned else x, dtype=dtype)
    given.attach_grad()
    ctc = loss.CTCLoss(*layouts)
    labels = nd.array(LABELS.T if turned else LABELS)
    with autograd.record():
        found = ctc(given, labels, nd.array(steps))
    found.backward()
    close = 1e-8 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(found.asnumpy(), expected.detach().numpy(), close, close)
    assert given.grad is not None
    grad = given.grad.asnumpy()
    wanted = tensor.grad.numpy().transpose(1, 0, 2) if turned else tensor.grad.numpy()
    np.testing.assert_allclose(grad, wanted, close, close)
    cut = ctc(given, nd.maximum(labels, 0), nd.array(steps), lengths)
    np.testing.assert_allclose(cut.asnumpy(), found.asnumpy(), 1e-6)


def test_ctc_is_finite() -> None:
    """Extreme logits, and a label that no path spells."""
    x = nd.array(np.array([[[200.0, -200, 0], [-200, 200, 0]]] * 2))
    x.attach_grad()
    with autograd.record():
        found = loss.CTCLoss()(x, nd.array([[0, 1], [0, 0]]))
    found.backward()
    assert found.asnumpy()[0] == pytest.approx(0, abs=1e-4)
    assert found.asnumpy()[1] > 1e29
    assert x.grad is not None
    assert np.isfinite(x.grad.asnumpy()).all()


def test_gradients_of_zero_vectors_are_finite() -> None:
    x = nd.zeros((2, 3))
    x.attach_grad()
    with autograd.record():
        found = loss.CosineEmbeddingLoss()(x, nd.ones((2, 3)), nd.array([1, -1]))
    found.backward()
    assert x.grad is not None
    assert np.isfinite(x.grad.asnumpy()).all()
    assert found.asnumpy().tolist() == [1, 0]


def test_mistakes() -> None:
    with pytest.raises(LabelError, match=r"from 0 to 2, the blank is 3, .* given -1.0 to 3.0"):
        loss.CTCLoss()(nd.ones((1, 5, 4)), nd.array([[3, -1]]))
    with pytest.raises(ShapeError, match=r"CTCLoss: .*given shapes \(1, 5, 4\) and \(2, 2\)"):
        loss.CTCLoss()(nd.ones((1, 5, 4)), nd.zeros((2, 2)))
    with pytest.raises(OptionError, match="LogisticLoss: label_format: no 'unsigned'"):
        loss.LogisticLoss(label_format="unsigned")
    with pytest.raises(OptionError, match="HuberLoss: rho: expected a number above 0, given 0"):
        loss.HuberLoss(0)
    with pytest.raises(ShapeError, match="HingeLoss: expected a label of shape"):
        loss.HingeLoss()(nd.ones((2, 3)), nd.ones((2,)))
    with pytest.raises(ShapeError, match="SDMLLoss: expected two or more rows"):
        loss.SDMLLoss()(nd.ones((1, 3)), nd.ones((1, 3)))
