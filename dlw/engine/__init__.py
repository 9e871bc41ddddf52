"""The training loop and what it needs: batches, optimizers, schedules, precision, inference."""
