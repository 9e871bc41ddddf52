"""Room: the plain answer beside the network."""
