"""The shell around the core: it performs what the core decides, through ports."""
