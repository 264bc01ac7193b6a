"""`mailer` and `python -m mailer`."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

gc.disable()  # all that is imported stays: looking for garbage in it took a seventh of the start

try:
    import_module("tzdata")  # the one library nobody imports, but asks for zones before there are sentences
    from mailer.cli.main import main as run
except ModuleNotFoundError as missing:
    sys.exit(
        f"mailer cannot start: {missing.name} is not installed here. Install mailer with its requirements anew."
    )
except KeyboardInterrupt:  # before there is anybody else to hear it
    print("Stopped.", file=sys.stderr)  # noqa: T201
    sys.exit(130)


def main() -> None:
    """Run the program; never returns."""
    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
