"""An optimizer's steps, through its public hooks.

In reading order:

- `watch`: `writer.watch`: observes every step of an optimizer through its public hooks
- `host`: what a watch shares with the writer's other parts, and where it hands over what it saw
- `examiner`: decides when a watched model gets a check-up, and hands on what it finds
- `check_up_schedule`: when the costlier things are looked at: often at first, then ever more seldom
- `gradient_norms`: norms of gradients before clipping and after unscaling: as a watched model's step uses them, or as a call finds them
- `updates`: what a step changes: the parameters before and after it
- `twins`: which weight matrices have rows that are copies of each other
- `parameter_facts`: what holds for parameters and varies seldom: size, role, who holds them, whether they are trained and clipped
- `gradient_reuse`: how often an optimizer's step uses the very gradients that a step before has used
- `replacements`: optimizers that take the place of others: how often a model gets a new one, and whether it begins with nothing
- `step_counter`: which step an optimizer step is, by the numbers the user gives, in whatever order the two come
- `numbering`: one count of steps out of the numbers that users give, which may begin again each epoch
- `reloads`: whether a checkpoint was loaded between two steps, as far as optimizer and weights show it
"""
