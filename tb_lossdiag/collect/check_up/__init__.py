"""The check-up: how a training step is put together, seen from inside for one step at a time.

`CheckUp` observes one step of a model and its optimizer; `LossCalls` observes the loss calls of a loop without one.

In reading order:

- `check_up`: the check-up: observes one training step, from the end of the step before to the end of this one
- `subject`: what a check-up looks at
- `mode`: sees calls of torch functions while a check-up runs, and passes every one through unchanged
- `call_site`: where in the user's code a call comes from
- `functions`: which torch functions a check-up looks at, by name
- `observation`: what one check-up under way knows, and takes of the calls that it sees
- `outcome`: what a check-up hands over: the facts of its step, its loss calls and its modules, as samples
- `source`: which operation made a tensor, from its autograd graph
- `gradients`: what happens to gradients between two steps, in order: reset, backward, unscale, clip, use, change after use
- `norms`: gradient norms at one moment of a step
- `left`: gradients that a pass for another optimizer's step has left in these parameters
- `parts`: whether several backward passes of a step are of samples of their own
- `customs`: custom autograd functions: the gradient on both sides of each
- `free_scales`: parameters that belong to no layer, as learned weights of a loss' terms do: whether the loss is a mere multiple of what they say
- `addends`: what a loss is added up from, as far as its graph shows: parts with a path to something that is trained, and parts without
- `root_value`: the number that a backward pass begins from
- `used`: gradients that a step has already used, and changes of them
- `unchanged`: whether a step changed the parameters
- `copies`: second networks, and how far each is from the trained one that it is shaped like
- `remembered`: what the batch normalisation of a second network remembers, beside that of the trained one
- `rounding`: whether steps get lost in the rounding of half-precision weights
- `strangers`: parameters that take part in the forward pass and belong neither to the model nor to its optimizer
- `loose`: tensors that get gradients and that no module and no optimizer holds
- `judged`: what a judge beside the model is given: what the model made, and what it did not make, such as real pictures
- `drawn`: whether matrices are as they were drawn, or have learned before
- `scheduler_order`: whether a learning rate scheduler moves before its optimizer's first step
- `values`: facts on their way to records: numbers known at once, or 0-d tensors still on their device
- `loss`: how the loss function is called
- `model`: what the modules do in a forward pass
- `alone`: loss calls of a hand-written training loop, without an optimizer
- `clear`: the emergency exit: nothing of a check-up stays installed, even where ending it has failed
"""

from tb_lossdiag.collect.check_up.alone import LossCalls
from tb_lossdiag.collect.check_up.check_up import CheckUp, Example
from tb_lossdiag.collect.check_up.clear import clear
from tb_lossdiag.collect.check_up.loss.measured_call import MeasuredCall, record_loss_inputs
from tb_lossdiag.collect.check_up.subject import Subject

__all__ = [
    "CheckUp",
    "Example",
    "LossCalls",
    "MeasuredCall",
    "Subject",
    "clear",
    "record_loss_inputs",
]
