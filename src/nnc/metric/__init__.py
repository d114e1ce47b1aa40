"""Metrics: what a network gets right, added up batch by batch.

    accuracy = nnc.metric.Accuracy()
    accuracy.update(labels, net(images))
    print(accuracy.get())

Names and options are those of MXNet's metrics, and they are `nnc.gluon.metric`, too. Where 1.9 and
2.0 compute different numbers, a metric follows 1.9, and its docstring says so.
"""

from nnc.metric.base import EvalMetric, alias, register
from nnc.metric.classification import (
    Accuracy,
    BinaryAccuracy,
    CrossEntropy,
    NegativeLogLikelihood,
    Perplexity,
    TopKAccuracy,
)
from nnc.metric.composite import CompositeEvalMetric, CustomMetric, Loss, create, np
from nnc.metric.confusion import F1, MCC, PCC, Fbeta
from nnc.metric.regression import (
    MAE,
    MSE,
    RMSE,
    MeanCosineSimilarity,
    MeanPairwiseDistance,
    PearsonCorrelation,
)

__all__ = [
    "F1",
    "MAE",
    "MCC",
    "MSE",
    "PCC",
    "RMSE",
    "Accuracy",
    "BinaryAccuracy",
    "CompositeEvalMetric",
    "CrossEntropy",
    "CustomMetric",
    "EvalMetric",
    "Fbeta",
    "Loss",
    "MeanCosineSimilarity",
    "MeanPairwiseDistance",
    "NegativeLogLikelihood",
    "PearsonCorrelation",
    "Perplexity",
    "TopKAccuracy",
    "alias",
    "create",
    "np",
    "register",
]
