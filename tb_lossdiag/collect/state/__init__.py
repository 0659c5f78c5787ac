"""What is read of torch's objects.

In reading order:

- `alive`: the objects that exist, of a class
- `device_clock`: when a device has come so far: moments of its own clock, noted without waiting for it
- `environments`: whether a training acts in an environment; one that is left over from another training of the same process is none of its own
- `frameworks`: the optimizer inside a framework's wrapper: Accelerate's, and with it Transformers', and Lightning's
- `gradient_versions`: recognises gradients that have not changed
- `asking`: asks a module for its parameters and leaves it as it is
- `cuts`: when weights of a model were pruned during its training
- `loaders`: where in its epoch a loop is, as far as torch's DataLoader tells
- `measurement`: what a collector hands over: tensors still on their device, and how to read them once they are on the host
- `models`: which model it is that was given, and whether another one has its names
- `normalisations`: whether batch normalisation has the running statistics that it began with
- `optimizers`: what optimizers hold and how fast they go; and which gradients a step has already used
- `other_writers`: who else is writing in a run folder right now
- `parameters`: names and norms of a model's parameters and their gradients
- `precision`: in which precision a model is trained, where that is less than single
- `processor`: whether a thread ran, stood ready while others had the processor, or waited
- `processes`: the processes of a distributed training: which of them this one is
- `rates`: learning rate and kin of an optimizer's parameter groups, at a moment or step by step
- `scaler`: what a GradScaler does: its scale, and the steps it skips
- `schedulers`: the learning rate scheduler that moves an optimizer's rate, found where nobody named it
- `two_schedules`: two schedules of one optimizer, one of which writes over what the other has made of the rate
- `small_norms`: norms that are too small for squares of single precision: below 1e-18 or so those are coarse, below 1e-22 they are 0
- `tracing`: keeps what is recorded out of compiled graphs
- `transfer`: brings many small tensors to the host in one copy per device, and moves numbers of any kind to float
"""
