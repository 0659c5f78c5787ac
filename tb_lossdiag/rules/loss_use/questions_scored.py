"""LD513 questions-scored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{share}% of the targets that count (`{call}`) stand in questions (median of {checks} check-ups): all sequences have one form, a question and an answer, and the model learns to write both."
)
_ASKED_FOR = Text(
    "{share}% of the targets that count (`{call}`) stand in questions (median of {checks} check-ups), although the loss was asked for of answers only."
)
_ADVICE = Text("""Where only answers are wanted, give the question no target:

```python
labels = tokens.clone()
labels[:, :8] = -100  # the question and its template; padding as well
```

TRL's `SFTConfig(completion_only_loss=True)` does it for data with `prompt` and `completion`, `assistant_only_loss=True` for conversations. Which of both
writes better answers depends on the data: compare on held-out answers, not by the loss.""")
_COLLATOR = Text("""What makes the labels does not know of it. A collator of one's own has to keep the mask that the trainer made:

```python
labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
```

TRL's own collator does so: leave out `data_collator`. Transformers' `DataCollatorForLanguageModeling` makes a target of every token.""")


@dataclass(frozen=True)
class QuestionsScored:
    """A model that is tuned on questions with answers is trained to write the questions, too.

    Why it matters: where questions are long, most of the gradient is for them. That may be meant, and helps where answers are short and few; where it is
    not, the loss says little of the answers.

    How it decides: a model is asked for the next token, all sequences of a batch have one form (the same three tokens or more at the begin, what differs,
    three tokens or more that all have, what differs again), and `min_share` of the targets that count stand before the second part that
    differs, in the median of at least `min_checks` check-ups. An information; a warning where the trainer was asked for a loss of answers only. Unit: share of
    targets.

    What to try first: labels of -100 for the question.

    Guards against: texts without such a form, as in pretraining; questions without targets; packed sequences, which begin anywhere.

    References: Shi et al. 2024, Instruction tuning with loss over instructions (arXiv 2405.14394): it helps where questions are long and answers few;
    TRL, "Train on completion only"; huggingface/trl issue 1507.
    """

    code: ClassVar[str] = "LD513"
    name: ClassVar[str] = "questions-scored"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Questions are scored as well as answers")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_QUESTION,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    #: check-ups; one batch may be odd
    min_checks: int = 3
    #: share of targets, 1; less of it moves the loss by less than a fifth
    min_share: float = 0.2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call that scores questions."""
        enough = False
        for call, steps, shares in columns(run, q.CALL_QUESTION):
            if len(shares) < self.min_checks:
                continue
            enough, share = True, float(np.median(shares))
            if share >= self.min_share:
                asked = q.ANSWERS_ONLY in run.facts
                message = (_ASKED_FOR if asked else _MESSAGE).format(
                    share=f"{100 * share:.0f}", call=call, checks=short_number(len(shares))
                )
                ends = int(steps[0]), int(steps[-1])
                evidence = Evidence(q.CALL_QUESTION.name, call, *ends, share, self.min_share)
                said = message, _COLLATOR if asked else _ADVICE, {"share": share}
                severity = Severity.WARNING if asked else self.severity
                yield Finding(self.code, severity, call, (evidence,), *said)
        if not enough:
            wanted = Text(
                "check-ups of a model that is asked for questions with answers of one form"
            )
            raise too_few(self.min_checks, wanted)
