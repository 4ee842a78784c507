"""The `coldplate` command, one file for each group of its commands."""

from coldplate.cli.command import main

__all__ = ["main"]
