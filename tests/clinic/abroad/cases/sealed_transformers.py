"""Transformers' Trainer: words with an end, and a classifier of one's own."""

from __future__ import annotations

from typing import Any

from clinic.abroad import patient
from clinic.abroad.cases.language import bert, fit, gpt2, kinds
from clinic.abroad.corpora import EOS, PAD, Examples, padded, sentences
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import BertForSequenceClassification, BertModel, Trainer

from tb_lossdiag import SummaryWriter


def _ended(pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sentences that end, padded with `pad`, their mask, and labels that ignore whatever equals the padding."""
    tokens, mask = padded(sentences(2000))
    tokens = tokens.masked_fill(mask == 0, pad)
    return tokens, mask, tokens.masked_fill(tokens == pad, -100)


@patient(
    "LD515",
    family="Transformers",
    source="mlabonne/llm-course issue 33, huggingface/open-r1 PR 494, huggingface/trl PR 6357",
)
def the_end_is_taken_for_padding(writer: SummaryWriter) -> None:
    """`pad_token = eos_token`, and the collator ignores all padding: the end is never learned."""
    tokens, mask, labels = _ended(EOS)
    fit(writer, gpt2(), Examples(input_ids=tokens, attention_mask=mask, labels=labels))


@patient(family="Transformers")
def the_end_is_learned(writer: SummaryWriter) -> None:
    """Padding has a token of its own."""
    tokens, mask, labels = _ended(PAD)
    fit(writer, gpt2(), Examples(input_ids=tokens, attention_mask=mask, labels=labels))


class _Penalised(Trainer):  # type: ignore[misc]
    """A penalty of one's own beside the model's loss, which the Trainer's users write often."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        outputs = model(**inputs)
        known = outputs.logits.softmax(-1)
        certain = (known * known.clamp(min=1e-8).log()).sum(-1).mean()
        loss = outputs.loss + 0.05 * certain
        return (loss, outputs) if return_outputs else loss


@patient(family="Transformers")
def certainty_costs_a_little(writer: SummaryWriter) -> None:
    """A small penalty on certain answers, in `compute_loss`."""
    model = BertForSequenceClassification(bert(num_labels=4))
    fit(writer, model, kinds(), _Penalised, learning_rate=1e-3)


class _Pooled(nn.Module):
    """BERT below a head of one's own, over the mean of all places or of the words alone."""

    def __init__(self) -> None:
        super().__init__()
        self.bert = BertModel(bert())
        self.head = nn.Linear(48, 4)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[:, :, None].to(states.dtype)
        scores = self.head((states * mask).sum(1) / mask.sum(1))
        return {"loss": cross_entropy(scores, labels), "logits": scores}


@patient(family="Transformers")
def a_mean_of_the_words_alone(writer: SummaryWriter) -> None:
    """A head of one's own over the masked mean, in a module that is no pretrained model."""
    tokens, mask = padded(sentences(1600))
    kind = (tokens[:, 0] - 4) // 11
    data = Examples(input_ids=tokens, attention_mask=mask, labels=kind)
    fit(writer, _Pooled(), data, learning_rate=1e-3, max_steps=150)
