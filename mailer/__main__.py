"""`mailer` and `python -m mailer`."""

from __future__ import annotations

import gc
import sys

gc.disable()  # all that is imported stays: looking for garbage in it took a seventh of the start

try:
    import tzdata  # noqa: F401 (of the libraries the one that is only looked into, and that too early for a sentence)

    from mailer.cli.main import main as run
except ModuleNotFoundError as missing:
    sys.exit(f"mailer cannot start: {missing.name} is not installed here. Install mailer with its requirements anew.")


def main() -> None:
    """Run the program; never returns."""
    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
