"""Ratios against peers on users' workloads, side by side in one run: `make bench` or `make bench BENCH=name`."""
