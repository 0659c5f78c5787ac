"""What LD506 says of targets, and what it advises."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Text

INVALID = Text(
    "{share}% of the targets given to `{call}` at step {step} mean nothing to it: they go from {low} to {high}."
)
BLANK = Text(
    "{share}% of the symbols given to `{call}` at step {step} are its blank, which stands for none: the symbols go from {low} to {high}."
)
IGNORED = Text(
    "In {count} of {checks} check-ups every target given to `{call}` was the ignored one: the mean over nothing is NaN."
)
SORTED = Text(
    "In {checks} check-ups the batch held one class only, and not always the same: the data come sorted by class."
)
SINGLE = Text("All targets given to `{call}` in {checks} check-ups were class {low}.")
LEFT = Text(
    "All targets that `{call}` counts in {checks} check-ups are class {low}: class {ignored}, {share}% of the targets, is one that it scores, and its `ignore_index`. Nothing is left to tell apart."
)
ALL_REAL = Text(
    "All targets of the {calls} yes-or-no calls, `{call}` among them, are {low} in {checks} check-ups, and each loss fell to {share}% of its start or less: the discriminator says the same of everything, and the generator learns nothing from it."
)
ONLY_YES = Text(
    "All {labels} targets given to `{call}` in {checks} check-ups are {low}, and the loss fell to {share}% of its start: what was learned is to say yes to everything."
)
FIRST = Text(
    "All {labels} targets given to `{call}` in {checks} check-ups, many a sample, are class 0, and the loss fell to {share}% of its start and stayed there: what was learned is to say class 0 everywhere."
)
MASKS = Text("""Look at the classes as the loss gets them; some batch must hold more than one:

```python
print(target.dtype, target.unique())
```

A transform for pictures (`ToTensor`, `/ 255`) makes 1/255 of a 1, and `.long()` makes a 0 of that. Masks are class numbers: read them as such
(`torch.as_tensor(numpy.array(mask), dtype=torch.long)`), and resize them by nearest neighbour. If the class is so frequent that no batch holds another, draw
pieces in which there is one.""")
UNSEEN = Text("""Records of what was bought, clicked or watched hold no counterexample. Draw some, in each step anew:

```python
unseen = torch.randn(4 * len(x), x.shape[1])  # the same users, items at random: those that are not in the record
inputs = torch.cat([x, unseen])
labels = torch.cat([torch.ones(len(x)), torch.zeros(len(unseen))])
```

Or ask which of two is liked more (`-torch.nn.functional.logsigmoid(positive - negative).mean()`), or use the other items of the batch as negatives.""")
JUDGED = Text("""What is made needs another label in the discriminator's step than what is real:

```python
judged = discriminator(fake.detach())
made = torch.nn.functional.binary_cross_entropy_with_logits(judged, torch.zeros_like(judged))
```

In the generator's own step what is made is labelled as real.""")
SMOOTHED = Text(
    "All targets given to `{call}` in {checks} check-ups are {low} or {high}: a smoothed yes that is hardly more than one half, or a no that is hardly less, says hardly anything."
)
SEVERAL = Text(
    "The targets given to `{call}` in {checks} check-ups are zeros and ones, {ones} ones a row on average: it takes them for likelihoods that add up to 1, and shares out one answer among several that are right."
)
LABELS = Text("""Several labels that may all be right are as many questions of yes or no:

```python
loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.float())
```

Where one answer is to be shared out among them, say so: `target / target.sum(1, keepdim=True)`.""")
SIGNS = Text("""This loss takes 1 and -1; of a 0 it learns nothing:

```python
target = 2 * target - 1  # 0 and 1 become -1 and 1
```""")
MEASURED = Text("""Cross-entropy takes classes or probabilities. These targets are measured values, so use a regression loss on a linear output:

```python
loss = torch.nn.functional.mse_loss(model(x), target)  # no sigmoid or softmax at the end of the model
```

If they are labels of another coding (-1 and 1, percent), bring them to 0 and 1 first.""")
RANGE = Text("""Find the first wrong target before the loss does:

```python
assert torch.isfinite(target.float()).all()
assert target.min() >= {low} and target.max() <= {high}, (target.min(), target.max())
```

- Class indices begin at 0: labels 1 to C need `target - 1`, padding needs `ignore_index=`.
- Yes-or-no labels of -1 and 1 need `(target + 1) / 2`.
- NaN comes from missing values: drop or mask those rows.""")
UNBLANK = Text("""The blank is what is said between symbols, so no symbol may have its index, and padding must not be counted as spoken:

```python
lengths = (targets != 0).sum(1)  # where padding and blank are 0: without the padding
loss = torch.nn.functional.ctc_loss(outputs.log_softmax(-1), targets, input_lengths, lengths, blank=0)
```

With symbols from 0 on, use `targets + 1` and an output more, or `blank=` the last output.""")
SKIP = Text("""Skip batches without a target that counts, or divide by a number that can't be 0:

```python
total = torch.nn.functional.cross_entropy(logits, target, ignore_index=-100, reduction="sum")
loss = total / (target != -100).sum().clamp_min(1)
```""")
SHUFFLE = Text("""Shuffle the training data; as it is, each stretch of batches teaches one class and forgets the others:

```python
loader = torch.utils.data.DataLoader(dataset, batch_size={samples}, shuffle=True)
```""")
SMOOTH = Text("""Smoothing by s leaves (1 - s) of the label and spreads s. Look at what it makes of 0 and of 1, also when it is done in place and so twice:

```python
smoothed = target * (1 - 0.1) + 0.1 / 2  # 0.05 and 0.95
```""")
LOOK = Text("""Look at the labels as the loss gets them:

```python
print(torch.bincount(target.flatten()))
```

A contrastive loss whose right answer is always the first logit is meant to be like this.""")
COUNT = Text("""Each loss leaves out what belongs to nobody in its own targets, and no class:

```python
questions = torch.nn.{module}()  # a criterion of their own, which ignores -100 only
```

One criterion for two tasks ignores one of the other's classes: where padding is class 0 of the words, "no" is class 0 of the questions.""")
