"""What a careful engineer tries before spending days: one batch, copies of model and optimizer, a minute at most.

In reading order:

- `course`: does all of it, in a thread of its own, and leaves everything as it was
- `batch`: how a model is given a batch, and how the loss is given its answer
- `twin`: a copy of model, loss and optimizer, to be trained
- `trial`: whether a twin can learn the batch by heart, and by which step
- `judged`: what the rules say of a recorded trial
- `result`: the table, the findings and what is recorded of it
"""

from tb_lossdiag.preflight.course import preflight
from tb_lossdiag.preflight.result import Preflight

__all__ = ["Preflight", "preflight"]
