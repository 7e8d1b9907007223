"""A store that forgets everything at the end of the process: for tests."""

from kaskad.stores._embedded import EmbeddedStore


class MemoryStore(EmbeddedStore):
    """:class:`kaskad.app.ports.Store` without a disk."""
