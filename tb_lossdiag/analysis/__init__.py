"""What can be derived of a run's tables; rules, reports and charts share it.

In reading order:

- `activation_ranges`: what an activation at the end of a model can give
- `added`: whether a term that was recorded without a path is a part of the loss without one
- `attribution`: which loss term and which layer rose with the loss
- `baselines`: loss calls beside the loss of not looking at the input: of the best constant, and of a guess
- `batches`: which rows of the data a step was taken with, in words
- `bottomless`: a loss that falls ever faster, far below zero
- `burden`: how much of the loss a penalty is, by values alone
- `by_heart`: whether a training learns by heart what it sees, and nothing of what was held out
- `clips`: what is known of clipping: the ledger of recorded clips, and clips that the check-up saw without one
- `columns`: quantities read column by column, also beside others: without records in which nothing could be seen, and as the value in force at a step
- `contrastive`: losses that compare samples with each other: a row of likenesses for each, of which one is the right answer
- `curve`: the shape of a loss curve: where it started, how far it fell, whether it ran away
- `derived`: numbers that follow from recorded ones: computed when somebody looks, never stored
- `early_fall`: whether a loss ended below where it began, as far as its noise lets one say
- `given_up`: what a penalty's fall has cost, by values alone: a data term given up again, or weights that are gone
- `inputs`: the models' inputs as the check-ups saw them
- `inside`: what check-ups saw inside a model, column by column: attention, routers
- `levels`: stretches of records, and levels that single records cannot move
- `loss_calls`: loss calls as the check-ups saw them
- `maturity`: whether a run has been recorded long enough to be judged as a whole
- `modules`: the model's modules as the check-ups saw them: what each is, what feeds it, and how its facts run over time
- `non_finite`: where NaN and infinity came from: the first step at which each kind of value was broken
- `parameters`: parameters by name and size: which are weights, which belong together; and what the optimizer does with them
- `pairing`: correlations of predictions and targets, as check-ups have recorded them, put together
- `passes`: the backward passes of a step, as the check-ups saw them
- `plateaus`: whether a loss never left the level that knowing nothing costs, and whether the training has had its time
- `players`: two players, told by the names of their models and loss terms: who judges, who makes, what each one's loss and gradient do
- `probes`: what probes of a copy of the model have said, or why there were none
- `progress`: how far a run has come, for rules that ask whether a defect does harm
- `ranks`: what data-parallel ranks told each other, comparison by comparison
- `rates`: the learning rate of a run as one number a step
- `reinforcement`: whether a training is reinforcement learning, whose losses measure no progress
- `runaway`: weights whose norm has multiplied and goes on growing
- `signals`: curves of an agent's log: levels of their parts, and whether they still rise
- `skipped`: steps that a GradScaler skipped
- `relapse`: where a run was taken up again and its loss began anew
- `spikes`: records far above what came just before, by robust statistics in the logarithm
- `summed_terms`: which term of a loss is the sum over a batch that a loss call makes, and over how many samples
- `terms`: loss terms by name and behaviour: which are penalties, which are divergences
- `trend`: whether few values rise or fall as a whole, whatever their scale and their outliers
- `trouble`: whether a loss goes wrong in a way that steps of the wrong size explain
- `updates`: how far a step moves the weights: exactly where that was recorded
- `weighed`: whether a total follows its terms by other weights than those that were recorded
- `weight_decay`: how hard weight decay pulls, and what it leaves of the weights
- `weighted`: statistics of records that cover different numbers of steps: a record counts as often as it has steps
"""
