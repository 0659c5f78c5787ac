"""How the loss function is called.

In reading order:

- `calls`: the loss calls of one step: those whose value a backward pass started from
- `measured_call`: a loss call of which all facts have been taken
- `loss_call`: one call of a loss function
- `tape`: what plain operations have done since the last backward pass
- `outer`: a column against a row: numbers of all samples against those of all others
- `twice`: a softmax whose result is normalised once more, on the way to the loss
- `weights_of_one`: weights of a choice that are 1 whatever their scores are
- `focal_mean`: a focal factor that was made of a batch's mean
- `ratio`: the ratio of what a policy thinks of actions now and before, and whether it is one where the policy has moved since
- `weights`: whether a policy's weights compare a critic's answers and targets in one scale, and whether padding was centred with them
- `variance_floor`: a logarithm of a variance that can't be negative
- `excess`: a loss of what exceeds a bound
- `preference`: whether a policy and its reference, or both answers of a pair, are the same
- `divergence`: the sign with which a divergence of normal distributions stands in a loss
- `composed`: what a step's losses were made of that no loss function shows
- `pieces`: the parts of a written-out loss
- `written`: a loss that was recognised in plain operations
- `written_elements`: losses by element that were written with plain operations
- `written_classes`: cross-entropies that were written with plain operations
- `written_overlap`: losses of overlap that were written with plain operations: Dice's, with or without squares, Jaccard's and Tversky's
- `written_residuals`: losses of a difference beside squares and absolute values: lengths, quantiles, likelihoods
- `recognised`: losses that were written with plain operations, found in what a backward pass starts from
- `picked`: logarithms of probabilities that were picked token by token, where no loss of classes is seen
- `trained`: what a step's loss is, said so that the same can be known where nothing is trained
- `facts`: what the call of a loss function tells, by value
- `class_facts`: what a class loss tells: rows of scores against class indices or class probabilities
- `arrivals`: how often the same line's loss is backpropagated within one step, and how much of it
- `padding`: how much of what is scored is padding
- `filled`: whether what counts are places without a target, and what does not is the text
- `ends`: whether the end of a text is taken for padding
- `questions`: how much of what is scored stands in questions, where sequences are questions with answers
- `labels`: labels that a model is given, where no loss function can be seen
- `worst`: which sequence of a batch costs most
- `alignment`: whether a sequence model's targets are its own inputs: at the same place, the next one, or two ahead
- `frames`: whether the frames of each sequence are enough for its symbols
- `dials`: how much of what samples cost a number of theirs decides
- `dropped`: whether dropout stands between a model's answer and its loss
- `told`: whether the answer stands in the question
- `scaled_together`: whether inputs and targets of a sample were scaled by a mean and a spread of both
- `pairing`: what predictions have to do with their own targets
- `same_scores`: two losses of the same scores: how far one softens them, and whether both ask for the same
- `bootstrap`: whether a call's targets are made by the very parameters that its input is, and carry a gradient back to them
- `element_facts`: what a loss by element tells: regression, binary cross-entropy, divergences
- `evaluated`: what a validation compares the model's answers with, seen where it comes before a step that is looked at
- `concentration`: how much of a loss its worst elements make
"""
