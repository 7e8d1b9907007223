"""Kaskad: a self-hosted phone verification service."""

__version__ = "0.1.0"
