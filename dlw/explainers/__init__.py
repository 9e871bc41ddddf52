"""Explainers: one file per way to say why a network answers as it does."""
