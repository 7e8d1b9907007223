"""Where things are kept: live sessions with their jobs and limits, and the catalogue."""
