"""Train, evaluate, predict, export, benchmark as plain functions; the only place that puts rooms together."""
