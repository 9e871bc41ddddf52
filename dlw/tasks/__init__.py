"""Room: what comes out; loss, activation, decoding."""
