"""What is looked at before any training: one file per question about the data."""
