"""LD517 tokens-alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The model cannot tell some tokens from each other: {share}% of those it reads (median of {checks} check-ups, padding left out) have the row of another one of them in its embeddings, which nobody trains."
)
_ADVICE = Text("""Most often these are tokens that were added: `resize_token_embeddings` gives them the mean of all rows, and an adapter leaves the embeddings as they are.
Train the new rows, the old ones may rest:

```python
table = model.get_input_embeddings().weight.requires_grad_()
old = torch.ones_like(table)
old[-added:] = 0
table.register_hook(lambda gradient: gradient * (1 - old))
```

With PEFT: `LoraConfig(..., trainable_token_indices=[…])`, or `modules_to_save=["embed_tokens", "lm_head"]`; the optimizer must be made afterwards, and its weight decay pulls
at rows without a gradient, too. A head that is not tied to the embeddings needs the same.""")


@dataclass(frozen=True)
class TokensAlike:
    """Tokens that are read have one and the same row in embeddings that nobody trains.

    Why it matters: whatever tells them apart (who speaks, where an answer ends, which code of a picture it is) does not reach the model. The loss falls, since other
    tokens can still be guessed.

    How it decides: a model is asked for the next token, and its table of embeddings is not trained. Of the tokens that it reads, without constant ends of rows, at least
    `min_share` have a row that differs from that of another token of the batch by less than a thousandth of its size, in the median of at least `min_checks`
    check-ups. Unit: share.

    What to try first: look at which tokens were added to the tokenizer.

    Guards against: padding; tables that are trained, by themselves, by a copy or by an adapter; tokens that were never trained and are not read; new tokens
    with rows of their own, which may serve as marks as they are.

    References: feizc/Visual-LLaMA issue 2 (new tokens were never updated, the loss fell, and what was generated was poor); unslothai/unsloth, whose
    trainer refuses data with untrained tokens; huggingface/transformers, `resize_token_embeddings` with `mean_resizing`; PEFT, `trainable_token_indices`.
    """

    code: ClassVar[str] = "LD517"
    name: ClassVar[str] = "tokens-alike"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Tokens that the model cannot tell apart")
    reads: ClassVar[tuple[Quantity, ...]] = (q.TOKENS_ALIKE, q.CALL_TARGET_AHEAD)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    #: share of the tokens, 1; a turn of a conversation has two marks in a hundred words, and a whole table has none by chance
    min_share: float = 0.005
    #: check-ups; of fewer a single batch decides
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model."""
        ahead = any((values == 1).any() for _, _, values in columns(run, q.CALL_TARGET_AHEAD))
        seen = [each for each in columns(run, q.TOKENS_ALIKE) if len(each.steps) >= self.min_checks]
        if not ahead or not seen:
            wanted = Text("check-ups of a model of next tokens whose embeddings are not trained")
            raise too_few(self.min_checks, wanted)
        for column, steps, shares in seen:
            share = float(np.median(shares))
            if share < self.min_share:
                continue
            message = _MESSAGE.format(share=f"{100 * share:.1f}", checks=str(len(steps)))
            ends = int(steps[0]), int(steps[-1])
            evidence = Evidence(q.TOKENS_ALIKE.name, column, *ends, share, self.min_share)
            numbers = {"share": share, "checks": len(steps)}
            yield Finding(self.code, self.severity, column, (evidence,), message, _ADVICE, numbers)
