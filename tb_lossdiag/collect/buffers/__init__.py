"""What waits on its device for the record.

In reading order:

- `norm_buffer`: rows of gradient norms that wait on their device: one per step, one transfer for many
- `loss_buffer`: losses and their terms, step by step until they are handed on together; and the user's own values
- `mixed_steps`: steps whose terms belong to a loss that another one has replaced
- `step_buffer`: what waits step by step until it is handed on together
- `clip_buffer`: clips, step by step until they are handed on together
- `scale_buffer`: loss scales, step by step until they are handed on together
- `hold`: keeps a watched model's first steps back until their numbers are known
- `rename`: the numbers of steps that were buffered before their own were known
- `broken_steps`: at which steps something broke, as far as it shows before anything is judged: no number any more, or a loss far above its level
- `queue`: what has been observed and waits, partly on its device, until it is handed to the recorder
- `outlet`: hands what was observed to the recorder, and sees to it that it reaches the file
"""
