"""The page that an evaluation leaves for a colleague: one HTML file without script, fetching nothing."""
