"""The contract of a metric: one number from predictions beside the truth.

A plug-in file holds a docstring, `KINDS` (the Outcome kinds it reads), `HIGHER_IS_BETTER`, and
`compute(outcome: Outcome, weight: np.ndarray | None) -> float`, with `weight` float64 [N] row weights (bootstrap
counts) and NaN as the honest answer where the metric is undefined (one class only). Two optional functions make
intervals cheap, and a metric offers at most one of them: `per_row(outcome) -> float64 [N]` when it is the plain mean of
its rows, or `resampled(outcome, weight_RN) -> float64 [R]`, the metric under R sets of row weights at once.
A third, `by_class(outcome, weight_RN) -> float64 [R, K]`, gives the metric of each class alone, NaN where undefined.
`counted(outcome) -> bool [N]` says which rows the metric looks at, where those are not all: few of them say little.
`NEEDS` is (package, extra) where a metric needs an optional package, `signature() -> str` how it was computed in the
terms of that package.
Everything is numpy; the tests hold each metric against scikit-learn.
Shape legend: N rows, K classes, L labels, T targets, Q levels, R resamples.
"""
