"""Loss Doctor inside other people's training loops: one line each, their framework imported only by its own module.

In reading order:

- `backward`: the loss, as it is backpropagated
- `evaluation`: one evaluation: the loss of a model in `eval()`, as whoever wrote the loop computes it
- `evaluations`: the validation losses of a loop that tells nobody
- `torch_clips`: clips by torch's own functions
- `watched`: an optimizer that is watched in somebody else's loop, and what was backpropagated for it
- `recording`: a training that is recorded from outside: writer, watches, losses
- `rows`: which rows of the data a step is taken with, said to a callback
- `objective`: what a trainer of TRL optimizes, as its configuration says
- `folders`: where a run goes when nobody says
- `counting`: the number of a step where a framework counts batches only
- `stand_in`: an optimizer that is none of torch's
- `naming`: what several optimizers are called
- `plain`: `tb_lossdiag.watch`, for a loop of one's own
- `search`: which model an optimizer trains, and which scaler scales its loss, when nobody says
- `loop_owner`: whose loop a training runs in, when nobody says
- `first_step`: the first training step of a script, seen so that it can be tried on copies
- `trial`: `tb-lossdiag run --preflight`: that step, tried before the training goes on
- `script`: a script that knows nothing of us: `tb-lossdiag run`
- `lightning`: the callback for Lightning
- `transformers`: the callback for Transformers' Trainer, and with it TRL's and PEFT's
- `accelerate`: the tracker for Accelerate
- `stable_baselines3`: the callback for the algorithms of Stable-Baselines3
- `ignite`: the handler for Ignite's engines
- `skorch`: the callback for skorch's nets
- `fastai`: the callback for fastai's Learner
- `keras_weights`: whether samples are weighted in a `fit` of Keras'
- `keras`: the callback for Keras 3 on torch
"""
