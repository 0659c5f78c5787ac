"""Runs made of numpy, for whoever judges them: a healthy one, its parts, and how to make it sick.

- `healthy`: a run that learns, with every quantity recorded
- `loop`: what the watched loop adds to it
- `check_ups`: what check-ups and decompositions add
- `loss_calls`: what check-ups see of loss calls and labels
- `modules`: what they see of modules
- `probes`: what probes of a copy of the model say
- `ranks`: what eight ranks of it tell each other
- `logs`: runs as plain logs leave them: a loss, perhaps a validation loss, and nothing else
- `agents`: logs of agents and of preference tunings
- `changes`: a run with something changed, and what can go wrong with it
"""
