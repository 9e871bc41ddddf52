"""The contract of a metric: one number from predictions beside the truth.

A plug-in file holds a docstring, `KINDS` (the Outcome kinds it reads), `HIGHER_IS_BETTER`, and
`compute(outcome: Outcome, weight: np.ndarray | None) -> float`, with `weight` float64 [N] row weights (bootstrap
counts) and NaN as the honest answer where the metric is undefined (one class only). A metric may also offer
`per_row(outcome) -> float64 [N]` when it is the plain mean of its rows, which makes intervals cheap.
"""
