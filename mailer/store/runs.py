"""Runs and the deliveries they start with. Unique constraints decide what is new; nothing here repeats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import batched
from typing import Any

