"""Metrics, against formulas of the samples they have seen."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnc import autograd, gluon, metric, nd
from nnc.errors import NncError
from nnc.gluon import nn
from nnc.gluon.state_files import load_state, save_state
from nnc.metric import EvalMetric

Memory = np.ndarray[Any, Any]
Batch = tuple[Memory, Memory]
DRAW = np.random.default_rng(0)


def probabilities(*shape: int) -> Memory:
    drawn = DRAW.uniform(0.01, 1, shape)
    return (drawn / drawn.sum(-1, keepdims=True)).astype(np.float32)


def labels(high: int, *shape: int) -> Memory:
    return DRAW.integers(0, high, shape).astype(np.float32)


def fed(made: EvalMetric, *batches: Batch) -> EvalMetric:
    for label, pred in batches:
        made.update(nd.array(label), nd.array(pred))
    return made


def value(made: EvalMetric, *batches: Batch) -> Any:
    return fed(made, *batches).get()[1]


CLASSES = [(labels(5, n), probabilities(n, 5)) for n in (7, 4)]
BINARY = [(labels(2, n), DRAW.uniform(0, 1, n).astype(np.float32)) for n in (9, 6)]
NUMBERS = [(DRAW.normal(size=(n, 3)), DRAW.normal(size=(n, 3))) for n in (6, 3)]
LABELS, PROBABILITIES = (np.concatenate(each) for each in zip(*CLASSES, strict=True))
CHOSEN = PROBABILITIES[np.arange(11), LABELS.astype(int)]


def f1(label: Memory, pred: Memory, beta: float = 1) -> float:
    """By precision and recall."""
    guess, truth = pred > 0.5, label == 1
    precision, recall = (guess & truth).sum() / guess.sum(), (guess & truth).sum() / truth.sum()
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def mean_over(formula: Callable[[Memory, Memory], float], batches: list[Batch]) -> float:
    return sum(formula(*batch) for batch in batches) / len(batches)


def whole(formula: Callable[[Memory, Memory], float], batches: list[Batch]) -> float:
    label, pred = (np.concatenate(each) for each in zip(*batches, strict=True))
    return formula(label, pred)


def correlation(label: Memory, pred: Memory) -> float:
    return float(np.corrcoef(label.reshape(-1), pred.reshape(-1))[0, 1])


def guesses(label: Memory, pred: Memory) -> float:
    return correlation(label, (pred > 0.5).astype(float))


def total_and_count(label: Memory, pred: Memory) -> tuple[float, int]:
    return np.abs(label - pred).sum(), label.size


def length(label: Memory, pred: Memory) -> int:
    return len(label)


def judged(label: Memory, pred: Memory) -> str:
    return "good"


@pytest.mark.parametrize(
    ("made", "batches", "expected"),
    [
        (metric.Accuracy(), CLASSES, (PROBABILITIES.argmax(1) == LABELS).mean()),
        (
            metric.TopKAccuracy(3),
            CLASSES,
            np.mean([k in p.argsort()[-3:] for k, p in zip(LABELS, PROBABILITIES, strict=True)]),
        ),
        (metric.CrossEntropy(), CLASSES, -np.log(CHOSEN).mean()),
        (metric.NegativeLogLikelihood(), CLASSES, -np.log(CHOSEN).mean()),
        (metric.Perplexity(), CLASSES, np.exp(-np.log(CHOSEN).mean())),
        (
            metric.Perplexity(2),
            CLASSES,
            np.exp(-np.log(CHOSEN[LABELS != 2]).mean()),
        ),
        (metric.BinaryAccuracy(), BINARY, whole(lambda a, b: ((b > 0.5) == a).mean(), BINARY)),
        (metric.MAE(), NUMBERS, mean_over(lambda a, b: np.abs(a - b).mean(), NUMBERS)),
        (metric.MSE(), NUMBERS, mean_over(lambda a, b: ((a - b) ** 2).mean(), NUMBERS)),
        (metric.RMSE(), NUMBERS, mean_over(lambda a, b: ((a - b) ** 2).mean() ** 0.5, NUMBERS)),
        (metric.Loss(), NUMBERS, whole(lambda a, b: b.mean(), NUMBERS)),
        (metric.F1(), BINARY, mean_over(f1, BINARY)),
        (metric.F1(average="micro"), BINARY, whole(f1, BINARY)),
        (metric.Fbeta(beta=2), BINARY, whole(lambda a, b: f1(a, b, 2), BINARY)),
        (metric.MCC(), BINARY, mean_over(guesses, BINARY)),
        (metric.MCC(average="micro"), BINARY, whole(guesses, BINARY)),
        (metric.PCC(), [(a, np.rint(b)) for a, b in BINARY], whole(guesses, BINARY)),
        (metric.PearsonCorrelation(), NUMBERS, mean_over(correlation, NUMBERS)),
        (metric.PearsonCorrelation(average="micro"), NUMBERS, whole(correlation, NUMBERS)),
        (
            metric.MeanPairwiseDistance(p=3),
            NUMBERS,
            whole(lambda a, b: ((np.abs(a - b) ** 3).sum(1) ** (1 / 3)).mean(), NUMBERS),
        ),
        (
            metric.MeanCosineSimilarity(),
            NUMBERS,
            whole(
                lambda a, b: float(
                    np.mean((a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1)))
                ),
                NUMBERS,
            ),
        ),
        (
            metric.CustomMetric(total_and_count),
            NUMBERS,
            whole(lambda a, b: np.abs(a - b).mean(), NUMBERS),
        ),
        (metric.np(correlation), NUMBERS, mean_over(correlation, NUMBERS)),
    ],
    ids=lambda given: given.name if isinstance(given, EvalMetric) else "",
)
def test_formula(made: EvalMetric, batches: list[Batch], expected: float) -> None:
    """NaN at first, the formula after two batches of different sizes, and again after `reset`."""
    assert math.isnan(made.get()[1])
    assert value(made, *batches) == pytest.approx(expected, rel=1e-6)
    made.reset_local()
    assert math.isnan(made.get()[1])
    assert made.get_global()[1] == pytest.approx(expected, rel=1e-6)
    made.reset()
    assert math.isnan(made.get_global()[1])
    fed(made, batches[0]).reset_local()
    fed(made, *batches[1:])
    assert made.get_global()[1] == pytest.approx(expected, rel=1e-6)


def test_the_metrics_that_have_a_number_for_several_classes() -> None:
    """As sklearn's macro and micro F scores, by hand, and PCC of three classes."""
    label, guess = np.array([0, 1, 2, 2, 1, 0]), np.array([0, 2, 2, 1, 1, 0])
    batch = (label, np.eye(3)[guess])
    scores = value(metric.Fbeta(class_type="multiclass", average=None), batch)
    np.testing.assert_allclose(scores, [1, 0.5, 0.5])
    assert value(metric.Fbeta(class_type="multiclass", average="macro"), batch) == pytest.approx(
        2 / 3
    )
    assert value(metric.Fbeta(class_type="multiclass"), batch) == pytest.approx(4 / 6)
    assert value(metric.PCC(), batch) == pytest.approx((6 * 4 - 12) / 24)
    many = (np.array([[1, 0], [1, 1]]), np.array([[0.9, 0.8], [0.2, 0.7]]))
    scores = value(metric.Fbeta(class_type="multilabel", average=None), many)
    np.testing.assert_allclose(scores, [2 / 3, 2 / 3])
    assert math.isnan(value(metric.PCC(), (np.zeros(3), np.zeros(3))))


def test_predictions_of_two_classes() -> None:
    """A column for each class is as good as the probability of class 1."""
    label, pred = BINARY[0]
    both = np.stack([1 - pred, pred], 1)
    for made in (metric.F1, metric.MCC, metric.Fbeta):
        assert value(made(), (label, both)) == value(made(), (label, pred))


def test_classes_along_an_axis() -> None:
    """Images of labels: the classes are axis 1."""
    label, pred = labels(5, 2, 3, 4), np.moveaxis(probabilities(2, 3, 4, 5), -1, 1)
    assert value(metric.Accuracy(), (label, pred)) == (pred.argmax(1) == label).mean()
    chosen = np.take_along_axis(pred, label.astype(int)[:, None], 1)
    entropy = value(metric.CrossEntropy(axis=1), (label, pred))
    assert entropy == pytest.approx(-np.log(chosen).mean(), rel=1e-6)


def test_logits_and_ignored_labels() -> None:
    label, pred = CLASSES[0]
    logits = np.log(pred) + 3
    plain = value(metric.CrossEntropy(), (label, pred))
    assert value(metric.CrossEntropy(from_logits=True), (label, logits)) == pytest.approx(plain)
    padded = (np.append(label, -1), np.concatenate([pred, pred[:1]]))
    assert value(metric.CrossEntropy(ignore_label=-1), padded) == pytest.approx(plain)
    assert value(metric.CrossEntropy(eps=1e-3), (np.ones(1), np.eye(2)[:1])) == pytest.approx(
        -math.log(1e-3)
    )


def test_ties_and_nan_among_the_most_probable() -> None:
    """Of equal classes the first is taken; a prediction that is NaN is never right."""
    tied = np.zeros((3, 4))
    assert value(metric.TopKAccuracy(2), (np.array([0, 1, 2]), tied)) == pytest.approx(2 / 3)
    assert value(metric.TopKAccuracy(2), (np.array([0, 1, 2]), tied * np.nan)) == 0


def test_far_numbers_keep_their_correlation() -> None:
    batches = [(a + 1e6, b - 1e6) for a, b in NUMBERS]
    made = metric.PearsonCorrelation(average="micro")
    for label, pred in batches:
        made.update(label, pred)
    assert made.get()[1] == pytest.approx(whole(correlation, NUMBERS), rel=1e-6)


def test_vectors_and_columns_are_the_same_and_empty_batches_are_nothing() -> None:
    label, pred = BINARY[0]
    assert value(metric.MAE(), (label, pred[:, None])) == value(metric.MAE(), (label, pred))
    assert math.isnan(value(metric.MAE(), (label[:0], pred[:0])))


def test_lists_of_arrays_are_one_batch() -> None:
    """Parts of a batch: F1 is that of the batch, not the mean of the parts."""
    label, pred = BINARY[0]
    made = metric.F1()
    made.update([nd.array(label[:4]), label[4:]], [pred[:4], nd.array(pred[4:])])
    assert made.get()[1] == pytest.approx(f1(label, pred))


def test_several_at_once() -> None:
    made = metric.create(["acc", metric.CrossEntropy(name="entropy"), length])
    fed(made, *CLASSES)
    assert made.get()[0] == ["accuracy", "entropy", "length"]
    assert made.get_name_value()[2] == ("length", 5.5)
    assert isinstance(made, metric.CompositeEvalMetric)
    assert made.get_metric(1).get() == ("entropy", made.get()[1][1])
    made.add("mae")
    assert len(made.get_name_value()) == 4
    made.reset_local()
    assert made.get_global_name_value()[2] == ("length", 5.5)
    made.reset()
    assert np.isnan(made.get()[1]).all()


def test_labels_and_outputs_by_name() -> None:
    label, pred = CLASSES[0]
    made = metric.Accuracy(output_names=["classes"], label_names=["digit"])
    outputs = {"classes": nd.array(pred), "state": nd.zeros((2,))}
    both = metric.CompositeEvalMetric([made], output_names=["classes"])
    both.update_dict({"digit": nd.array(label)}, outputs)
    assert made.get()[1] == (pred.argmax(1) == label).mean()
    every = metric.Accuracy()
    every.update_dict({"digit": label}, {"classes": pred})
    assert every.get() == made.get()


@pytest.mark.parametrize(
    "made",
    [
        metric.TopKAccuracy(3),
        metric.CrossEntropy(ignore_label=2, axis=1),
        metric.Fbeta(class_type="multiclass", average="macro"),
        metric.CompositeEvalMetric([metric.Accuracy(axis=-1), "perplexity"]),
    ],
    ids=lambda made: made.name,
)
def test_a_config_makes_the_same_metric(made: EvalMetric) -> None:
    again = metric.create(made.get_config())
    assert again.get_config() == made.get_config()
    assert fed(again, *CLASSES).get() == fed(made, *CLASSES).get()
    assert repr(again).startswith("EvalMetric: {")


@pytest.mark.parametrize(
    ("made", "batches"),
    [
        (metric.Accuracy, CLASSES),
        (metric.PCC, CLASSES),
        (lambda: metric.CompositeEvalMetric([metric.TopKAccuracy(2), "perplexity"]), CLASSES),
        (lambda: metric.F1(average="micro"), BINARY),
        (lambda: metric.PearsonCorrelation(average="micro"), NUMBERS),
    ],
)
def test_a_state_goes_on(
    made: Callable[[], EvalMetric], batches: list[Batch], tmp_path: Path
) -> None:
    """Also through a file."""
    first, *rest = batches
    save_state(tmp_path / "state", "metric", fed(made(), first).state_dict())
    again = made()
    again.load_state_dict(load_state(tmp_path / "state", "metric"))
    assert fed(again, *rest).get() == fed(made(), *batches).get()


def test_names() -> None:
    for name in ("acc", "ce", "nll_loss", "top_k_acc", "f1", "mcc", "rmse", "pearsonr", "loss"):
        assert isinstance(metric.create(name), EvalMetric)
    assert gluon.metric is metric
    assert metric.create("topkaccuracy", top_k=2).name == "top_k_accuracy_2"
    assert metric.create(lambda: 0.0).name == "custom(<lambda>)"


def test_metrics_of_ones_own() -> None:
    """One by `measure`, and one as written for MXNet."""

    @metric.alias("furthest")
    @metric.register
    class Furthest(EvalMetric):
        def __init__(self) -> None:
            super().__init__("furthest")

        def measure(self, label: Memory, pred: Memory) -> None:
            self.accumulate(np.abs(label - pred).max(), 1)

    class Ones(EvalMetric):
        def reset(self) -> None:
            self.num_inst, self.sum_metric = 0, 0.0

        def update(self, labels: Any, preds: Any) -> None:
            for label in labels:
                self.sum_metric += label.asnumpy().sum()
                self.num_inst += label.size

    made = metric.create("furthest")
    assert value(made, *NUMBERS) == pytest.approx(
        mean_over(lambda a, b: np.abs(a - b).max(), NUMBERS)
    )
    assert isinstance(metric.create("Furthest"), Furthest)
    ones = Ones("ones")
    ones.update([nd.array([1, 0, 1, 1])], [])
    assert ones.get() == ones.get_global() == ("ones", 0.75)


def test_a_metric_of_a_training_step() -> None:
    """The outputs of a step are there after it; looking at them runs no program."""
    net, loss = nn.Dense(5, in_units=5), gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.0})
    accuracy, mean = metric.Accuracy(), metric.Loss()
    for label, pred in CLASSES:
        with autograd.record():
            output = net(nd.array(pred))
            given = loss(output, nd.array(label))
        given.backward()
        trainer.step(len(label))
        assert output.current.memory is not None
        accuracy.update(nd.array(label), output)
        mean.update(None, given)
    expected = net(nd.array(PROBABILITIES))
    assert accuracy.get()[1] == (expected.asnumpy().argmax(1) == LABELS).mean()
    whole_loss = loss(expected, nd.array(LABELS)).mean().item()
    assert mean.get()[1] == pytest.approx(whole_loss, rel=1e-5)


def test_half_precision() -> None:
    label, pred = CLASSES[0]
    made = metric.CompositeEvalMetric(["acc", "ce", "top_k_acc"])
    made.update(nd.array(label), nd.array(pred).astype("bfloat16"))
    assert made.get()[1][0] == (pred.argmax(1) == label).mean()
    np.testing.assert_allclose(made.get()[1][1], value(metric.CrossEntropy(), CLASSES[0]), 0.01)


ROWS = np.eye(3)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda: metric.create("perplexty"),
            "metric: no 'perplexty'; did you mean perplexity?",
        ),
        (
            lambda: metric.create(metric.MAE(), name="x"),
            "metric: options go with the name of a metric, not an object",
        ),
        (
            lambda: metric.TopKAccuracy(0),
            "TopKAccuracy: top_k: expected an integer of at least 1, given 0",
        ),
        (
            lambda: metric.F1(average="weighted"),
            "f1: average: no 'weighted'; known: macro, micro",
        ),
        (
            lambda: metric.Fbeta(class_type="many"),
            "Fbeta: class_type: no 'many'; known: binary, multiclass, multilabel",
        ),
        (
            lambda: metric.MAE().update([0.5, 1.0], [0.5, 1.0]),
            "mae: labels are an array or a list of arrays, given 0.5",
        ),
        (
            lambda: metric.MAE().update([ROWS], [ROWS, ROWS]),
            "mae: 1 arrays of labels, but 2 of predictions",
        ),
        (
            lambda: metric.MAE().update(ROWS[0], ROWS),
            "mae: labels of shape (3,), but predictions of shape (3, 3)",
        ),
        (
            lambda: metric.Accuracy().update(ROWS[0, :2], ROWS),
            "accuracy: labels of shape (2,), but predictions of shape (3,)",
        ),
        (
            lambda: metric.Accuracy().update(ROWS[0], ROWS[:, :1]),
            "accuracy: predictions (3, 1) are of one class along axis 1; BinaryAccuracy compares "
            "them with a threshold",
        ),
        (
            lambda: metric.Accuracy().update(np.zeros(3), np.array([0.2, 0.9, 0.5])),
            "accuracy: predictions: expected numbers of classes, given 0.2",
        ),
        (
            lambda: metric.Accuracy(axis=2).update(np.zeros(3), ROWS),
            "accuracy: axis 2 of an array with 2 axes",
        ),
        (
            lambda: metric.CrossEntropy().update(np.array([0, 1, 1]), ROWS - 1),
            "cross-entropy: expected probabilities, given -1; from_logits=True makes them of "
            "scores",
        ),
        (
            lambda: metric.CrossEntropy().update(np.array([0, 1, 3]), ROWS),
            "cross-entropy: labels go from 0 to 2, given 0 to 3",
        ),
        (
            lambda: metric.CrossEntropy().update(np.array([0.0, np.nan, 1]), ROWS),
            "cross-entropy: labels: expected numbers of classes, given nan",
        ),
        (
            lambda: metric.TopKAccuracy(2).update(np.zeros(2), ROWS),
            "top_k_accuracy_2: labels of shape (2,), but predictions of shape (3, 3), with a class "
            "for each position along axis -1",
        ),
        (
            lambda: metric.F1().update(np.array([0, 1, 2]), np.zeros(3)),
            "f1: labels go from 0 to 1, given 0 to 2",
        ),
        (
            lambda: fed(
                metric.Fbeta(class_type="multiclass"),
                (np.zeros(3), ROWS),
                (np.zeros(4), np.eye(4)),
            ),
            "fbeta: 3 classes before, and 4 now",
        ),
        (
            lambda: metric.Accuracy(label_names=["digit"]).update_dict({"digits": ROWS}, {}),
            "accuracy: label: no 'digit'; did you mean digits?",
        ),
        (
            lambda: metric.CustomMetric(judged).update(ROWS, ROWS),
            "judged: expected a number, or a pair of a sum and a count, given 'good'",
        ),
        (
            lambda: metric.np(np.mean).get_config(),
            "mean: a metric of a function has no config to make it from",
        ),
        (
            lambda: metric.CompositeEvalMetric(["acc"]).get_metric(1),
            "get_metric: no metric 1, there are 1",
        ),
        (
            lambda: EvalMetric("mine").update(ROWS, ROWS),
            "EvalMetric must define measure() or update()",
        ),
    ],
)
def test_mistakes(mistake: Callable[[], Any], message: str) -> None:
    with pytest.raises(NncError) as caught:
        mistake()
    assert str(caught.value) == message
