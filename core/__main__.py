"""`python -m core`: the command line."""

from core.cli import main
from core.training import share_cores

if __name__ == "__main__":
    share_cores()
    main()
