"""Room: artifacts for deployment."""
