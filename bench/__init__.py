"""Load generators and comparisons: each prints a table and writes its figures to build/bench/<name>.json."""
