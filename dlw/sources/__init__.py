"""Room: where rows come from."""
