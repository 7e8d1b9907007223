"""Everything that speaks HTTP. The rooms inside know each other only through the app."""
