"""Probes: what a copy of the model answers when its input is changed. Once or twice a run, beside a check-up.

The copy has no hooks, is in eval(), and draws from generators that are put back; the training notices nothing of it.

In reading order:

- `prober`: when a watched model is probed, and what came of it
- `probe`: what a probe is
- `sample_leak`: does another sample change this one?
- `axes`: along which axis a model's samples lie
- `meetings`: where samples meet in a forward pass
- `dropped`: calls of dropout that nobody told the mode
- `future_leak`: does the future change the past, and does the start reach the end?
- `document_leak`: do documents of one row know each other?
- `order_blind`: does the order of tokens tell anything?
- `unused_inputs`: does every input matter?
- `eval_noise`: is it the same twice in eval()?
- `changes`: how much outputs differ
- `session`: the passes of one check-up's probes
- `passes`: one forward pass of a copy
- `survey`: what a model holds, and what stands in the way of a copy
- `copies`: a copy without hooks, in eval() or as it is
- `closures`: functions that modules hold, made anew for a copy
- `outside`: models that its code finds by a global name
- `generators`: the states of all random number generators
- `surroundings`: what a model's code may change beside the model
- `memory`: how much memory is free
"""

from tb_lossdiag.collect.probes.prober import Outcome, Prober

__all__ = ["Outcome", "Prober"]
