"""Ratios against peers on users' workloads, in one run: `make bench`, or `make bench BENCH=name`."""
