"""LD717 document-leak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.probes import Answer, answers
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Documents that share a row know each other, though the model is told where each begins: when the first of a row was rewritten, the outputs for a later one changed by {change} of their spread, in a copy in eval() at step {step}."
)
_ADVICE = Text("""Places that begin anew do not part the documents; a mask does, which shows each token its own document alone:

```python
places = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3]])
number = (places == 0).cumsum(1)
same = number[:, :, None] == number[:, None, :]
mask = same.tril()[:, None]  # True means "may look" in scaled_dot_product_attention
```

Transformers makes this mask of the places by itself only where it is given no `attention_mask`, not even one of ones, and keeps no cache
(`use_cache=False`, which its Trainer sets and a loop by hand must). Kernels for packed rows want the documents' ends (`cu_seqlens`), layers that carry a state or a convolution want to be told where it begins anew.
If documents are to see each other, as in pretraining on plain text, let the places go on through the row.""")


@dataclass(frozen=True)
class DocumentLeak:
    """A document changes what is said of another in its row, though the model is told where each begins.

    Why it matters: a sample is learned with strangers before it that will not be there later. What is packed then trains another task than
    what is not, and how much so depends on which samples happened to meet.

    How it decides: only where the targets are the model's own input, shifted by one, and its arguments tell of several documents in a row: places that
    begin again at 0, numbers of documents, ends of sequences, or a mask that hides all of a place's past. A copy in eval() is asked
    twice, once with other tokens inside the first document of each row, and its outputs for a later document change by more than `max_change` of their
    standard deviation (median over places). Those of the first one must have changed by `min_moved`. Unit: 1.

    What to try first: the mask of the attention: does it know the documents?

    Guards against: rows of plain text, one document behind the other, with one count of places (nothing says that they are apart); padding on either side; places within a sentence or a bar beside
    places in the row; a document's first and last token, which may stand for its ends, stay; experts that are full (a median over places); float rounding.

    References: Krell et al. 2021, "Efficient sequence packing without cross-contamination" (arXiv 2107.02027); Zhao et al. 2024, "Analysing the impact of
    sequence composition on language model pre-training" (arXiv 2402.13991); nanoVLM pull request 204; LLaMA-Factory pull requests 4224 and 7318.
    """

    code: ClassVar[str] = "LD717"
    name: ClassVar[str] = "document-leak"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Documents of one row see each other")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PROBE_DOCUMENT_CHANGE,
        q.PROBE_DOCUMENT_MOVED,
        q.PROBE_SKIPPED,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: of the outputs' standard deviation, 1; parted ones differ by rounding, 1e-6, those that meet by 0.05 and more where most hangs on the word before
    max_change: float = 0.01
    #: the same of the document that was rewritten, 1
    min_moved: float = 0.02

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model whose documents meet."""
        for answer in answers(run, q.PROBE_DOCUMENT_CHANGE, q.PROBE_DOCUMENT_MOVED):
            if answer.value >= self.max_change and answer.moved >= self.min_moved:
                yield self._finding(answer)

    def _finding(self, answer: Answer) -> Finding:
        message = _MESSAGE.format(change=short_number(answer.value), step=str(answer.step))
        evidence = answer.beyond(q.PROBE_DOCUMENT_CHANGE, self.max_change)
        numbers = {"change": answer.value, "moved": answer.moved}
        return Finding(
            self.code, self.severity, answer.name, (evidence,), message, _ADVICE, numbers
        )
