"""Data-parallel ranks: what they must add up, whether they have parted.

In reading order:

- `store`: what the processes of a distributed training tell each other, and when: through their store, never by a collective
- `layout`: how a watched model lies over the ranks: whether each of them trains a copy, or a part, and on its own data or not
- `share`: what one rank knows of the steps since the ranks were compared last: it travels with what is compared
- `gathered`: what all ranks know, in a few numbers: what the others have, who is furthest from them
- `divergence`: how far data-parallel ranks are apart: their norms, which should be the same on all, and what else each knows, at sparse steps
- `choose_buffer`: how a watched model's parameters lie over the ranks, and so where its steps wait
- `sharded_buffer`: rows of a model whose parameters are spread over ranks (FSDP2's `fully_shard`, DTensors): one reduction for many steps
- `step_sums`: this rank's part of several steps' norms, as sums of squares on their device
- `agreement`: what the ranks of a sharded model have in common: from where on they add up, their sums
- `meeting`: brings all ranks to one step, from which on they count together; waiting for each other costs a second at most
- `sum`: adds numbers up over ranks behind the training's back: no rank ever waits for another
"""
