"""The rules of a verification: pure values and functions, without I/O, clock or chance."""
