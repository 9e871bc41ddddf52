"""Room: raw values to compact arrays and back; free of torch."""
