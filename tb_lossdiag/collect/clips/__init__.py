"""Clips: the act, and what became of it.

In reading order:

- `clip`: the writer's own clips: torch's results, and an entry in the ledger
- `clipping`: the norms of gradients that are about to be clipped, worked out once for the clip and the record
- `ledger`: the ledger of clip calls: what was clipped, by how much, and when
"""
