"""``python -m ecgtune.cli``."""

from ecgtune.cli import main

if __name__ == "__main__":
    main()
