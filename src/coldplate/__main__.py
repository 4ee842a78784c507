"""`python -m coldplate` is the `coldplate` command."""

from coldplate.cli import main

if __name__ == "__main__":
    main()
