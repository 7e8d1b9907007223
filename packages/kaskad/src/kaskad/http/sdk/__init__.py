"""The public API for web pages: no token, and only for origins that a widget allows."""
