"""The run directory: layout, checkpoint store, journal, environment fingerprint, lock."""
