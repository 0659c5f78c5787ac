"""Clips: the act, and what became of it.

In reading order:

- `clip`: the writer's own clips: torch's results, and an entry in the ledger, from norms that are worked out once for both
- `ledger`: the ledger of clip calls: what was clipped, by how much, and when
"""
