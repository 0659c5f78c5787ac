"""An optimizer's steps, through its public hooks.

In reading order:

- `watches`: the watches of a writer: one for each name, whose optimizer may give way to the model's next one
- `watch`: `writer.watch`: observes every step of an optimizer through its public hooks
- `steps`: what is observed of every step of a watched optimizer, and in which order: once before it, once after it
- `calm_way`: the short way of a calm step, one that is like the step before
- `step_parts`: what a watched optimizer's steps are looked at with
- `calm_steps`: the calm step: one that is like the step before. Of it only what differs from step to step is looked at, in as few operations as can be
- `gauge`: norms of a fixed set of gradients on the host, in as few operations as can be: for steps that are like the one before
- `glance`: a short look at some steps on every rank: when the model is called, what with, how many targets count
- `rank_talk`: what a rank tells the others beside its norms: it listens to a few steps before they are compared, and to every loss
- `host`: what a watch shares with the writer's other parts, and where it hands over what it saw
- `watched_parameters`: the parameters of a watched model, as they are now: layers may be added, taken away or replaced while it trains
- `step_gradients`: the gradients of an optimizer's steps: their norms, from before the step to the row that waits for its record
- `step_extras`: what a step has beside its gradients, where it has it: clips, a loss scale
- `step_times`: how long a watched step takes, and which part of it recording takes
- `holes`: when a good part of a matrix became exactly 0 during its training
- `step_updates`: how far some steps move a watched model's parameters
- `examiner`: decides when a watched model gets a check-up, and hands on what it finds
- `check_up_schedule`: when the costlier things are looked at: often at first, then ever more seldom
- `gradient_norms`: norms of gradients before clipping and after unscaling: as a watched model's step uses them, or as a call finds them
- `updates`: what a step changes: the parameters before and after it
- `ties`: weights that are meant to be one tensor: those that are when a model is first looked at, and those of a model that says so in its config
- `twins`: which weight matrices have rows that are copies of each other
- `denominators`: what an Adam-like optimizer divides its steps by: the root of its second moments, and the epsilon beside it
- `histograms`: how the elements of each gradient are spread: histograms of their sizes, as often as a small part of the file can hold them
- `parameter_facts`: what holds for parameters and varies seldom: size, role, who holds them, whether they are trained and clipped
- `optimizer_facts`: what holds for a watched optimizer and varies seldom: its scheduler, whose parameters it holds, what it uses again and began with
- `gradient_reuse`: how often an optimizer's step uses the very gradients that a step before has used
- `schedule_pace`: how far a schedule has come beside its optimizer, and after how many calls it is over
- `replacements`: optimizers that take the place of others: how often a model gets a new one, and whether it begins with nothing
- `step_counter`: which step an optimizer step is, by the numbers the user gives, in whatever order the two come
- `numbering`: one count of steps out of the numbers that users give, which may begin again each epoch
- `loads`: what `load_state_dict` is given while a writer is open
- `reloads`: whether a checkpoint was loaded between two steps, as far as optimizer and weights show it
"""
