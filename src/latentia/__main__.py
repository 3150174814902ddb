"""``python -m latentia`` is ``latentia``."""

from latentia.cli import main

if __name__ == "__main__":
    main()
