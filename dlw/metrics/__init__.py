"""Room: numbers that judge predictions."""
