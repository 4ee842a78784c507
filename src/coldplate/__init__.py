"""The open, self-hosted service that official quantum runtime clients can point at."""

__version__ = "0.1.0"
