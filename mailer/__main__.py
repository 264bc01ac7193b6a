"""`mailer` and `python -m mailer`."""

from __future__ import annotations

import gc

gc.disable()  # all that is imported stays: looking for garbage in it took a seventh of the start

from mailer.cli.main import main as run  # noqa: E402 (after the line above, or it would come too late)


def main() -> None:
    """Run the program; never returns."""
    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
