"""``python -m kaskad`` is the same as ``kaskad``."""

from kaskad.cli import main

if __name__ == "__main__":
    main()
