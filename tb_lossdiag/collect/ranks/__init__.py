"""Data-parallel ranks: what they must add up, whether they have parted."""
