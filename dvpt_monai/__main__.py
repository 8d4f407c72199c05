"""``python -m dvpt_monai COMMAND``: see :mod:`dvpt_monai.commands`."""

from dvpt_monai.commands import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
