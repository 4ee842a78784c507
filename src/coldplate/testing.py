"""Pytest plugin: a server of your own and a service that talks to it."""
