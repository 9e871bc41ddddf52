"""Room: training-time changes of whole batches."""
