"""Ratios against peers on users' workloads, side by side in one run: `make bench`, `make bench BENCH=name`."""
