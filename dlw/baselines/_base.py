"""The contract of a baseline: the plain answer that a network must beat.

A plug-in file holds a docstring, `KINDS` (the Outcome kinds it can answer), `INPUTS` (the input kinds it reads), and
`predict(train, specs, target, test, kind, seed) -> np.ndarray`: fit on the packed training arrays and the encoded
target, answer for the test arrays in the layout of Outcome.prediction.
"""
