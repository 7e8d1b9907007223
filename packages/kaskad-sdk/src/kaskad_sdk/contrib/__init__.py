"""The page's endpoints for web frameworks: one thin module for each, none of them required."""
