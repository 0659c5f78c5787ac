"""What a rule is, and the engine that runs rules and folds what they found.

In reading order:

- `rule`: what a rule is, and what it says when it fires
- `judged`: the series that a rule judged, where no recorded quantity is that
- `text`: what users read: English templates beside the code that fills them, other languages in catalogues (`locale/`)
- `engine`: runs the rules over a run and orders what they found: causes first, their symptoms folded inside
- `status`: one word for a run, and what would let more rules judge it
- `counted`: counts in words, the singular as it is said
- `quantity_names`: what quantities are called in words
- `ways`: how a quantity gets recorded, in the reader's language
- `mapping`: what a run lacks that one of its own scalars may be
- `settings`: where a framework keeps what an advice would change in a loop of one's own
- `foreign`: asks rules of other packages: on copies of the records, in seconds, and nothing that they say is taken unchecked
- `timed`: work of other packages that gets some seconds and no more
- `checked`: what a rule of another package says, checked and made plain: nothing else of it gets into a diagnosis
"""
