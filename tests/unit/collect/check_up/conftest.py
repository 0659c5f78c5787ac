"""What tests of this folder share."""

from __future__ import annotations

from helpers.untimed import looks_take_no_time

__all__ = ["looks_take_no_time"]
