"""`python -m dlw` is the `dlw` command."""

from dlw.cli.main import main

if __name__ == "__main__":
    main()
