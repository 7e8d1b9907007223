"""The public API: thin, because it is what is called most."""
