"""`mailer` and `python -m mailer`."""

from __future__ import annotations

from mailer.cli.main import main

if __name__ == "__main__":
    main()
