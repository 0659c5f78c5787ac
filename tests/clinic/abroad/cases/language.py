"""GPT-2, BERT and T5 from configuration, through Transformers' Trainer."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import EOS, PAD, SIZE, Examples, masked, padded, sentences
from clinic.abroad.recipes import for_trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertLMHeadModel,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    PrinterCallback,
    T5Config,
    T5ForConditionalGeneration,
    Trainer,
    TrainingArguments,
)

from tb_lossdiag import SummaryWriter

LAYERS: dict[str, Any] = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}


def fit(
    writer: SummaryWriter,
    model: nn.Module,
    data: Examples,
    trainer: type[Trainer] = Trainer,
    *,
    held_out: Examples | None = None,
    **arguments: Any,
) -> None:
    """Train with the README's callback; the case's seed is the Trainer's."""
    settings: dict[str, Any] = {
        "learning_rate": 2e-3,
        "max_steps": 150,
        "per_device_train_batch_size": 16,
        "logging_steps": 1,
        **({} if held_out is None else {"eval_strategy": "steps", "eval_steps": 25}),
        **arguments,
    }
    made = TrainingArguments(
        writer.log_dir + "/out",
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        seed=torch.initial_seed(),
        **settings,
    )
    callbacks = for_trainer(writer)
    run = trainer(model, made, train_dataset=data, eval_dataset=held_out, callbacks=callbacks)
    run.remove_callback(PrinterCallback)
    run.train()


def gpt2(**more: Any) -> Any:
    """Two layers of 48."""
    sizes: dict[str, Any] = {"n_layer": 2, "n_head": 4, "n_embd": 48, "n_positions": 64}
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=SIZE, bos_token_id=1, eos_token_id=EOS, **sizes, **more)
    )


def bert(**more: Any) -> Any:
    """Configuration of two layers of 48."""
    return BertConfig(
        vocab_size=SIZE, intermediate_size=96, max_position_embeddings=64, **LAYERS, **more
    )


def language(count: int = 2000, seed: int = 0) -> Examples:
    """Sentences whose next words are to be predicted; the model shifts them itself."""
    tokens = sentences(count, seed=seed)
    return Examples(input_ids=tokens, labels=tokens)


def kinds(count: int = 1600, *, dtype: torch.dtype = torch.long) -> Examples:
    """Sentences and which of four parts of the vocabulary their first word is from."""
    tokens = sentences(count)
    return Examples(input_ids=tokens, labels=((tokens[:, 0] - 4) // 11).to(dtype))


@patient(family="Transformers")
def gpt2_learns_a_language(writer: SummaryWriter) -> None:
    """A causal model with warm-up, cosine schedule and the Trainer's own clip."""
    held_out = language(200, seed=1)
    schedule: dict[str, Any] = {"lr_scheduler_type": "cosine", "warmup_steps": 10}
    fit(writer, gpt2(), language(), held_out=held_out, **schedule)


@patient(family="Transformers")
def gpt2_collects_gradients_of_four_batches(writer: SummaryWriter) -> None:
    """Gradient accumulation, which the Trainer divides by itself."""
    fit(writer, gpt2(), language(), gradient_accumulation_steps=4, max_steps=80)


@patient(family="Transformers")
def gpt2_on_padded_sentences(writer: SummaryWriter) -> None:
    """Two thirds of each row are padding, and its labels are ignored."""
    tokens, mask = padded(sentences(2000))
    labels = tokens.masked_fill(mask == 0, -100)
    fit(writer, gpt2(), Examples(input_ids=tokens, attention_mask=mask, labels=labels))


@patient(family="Transformers")
def bert_fills_in_masked_words(writer: SummaryWriter) -> None:
    """Of all labels 85 % are ignored, as they should be."""
    inputs, labels = masked(sentences(4000))
    fit(
        writer,
        BertForMaskedLM(bert()),
        Examples(input_ids=inputs, labels=labels),
        max_steps=250,
        weight_decay=0.01,
    )


@patient(family="Transformers")
def bert_classifies_with_smoothed_labels(writer: SummaryWriter) -> None:
    """The Trainer computes the loss by itself."""
    model = BertForSequenceClassification(bert(num_labels=4))
    fit(writer, model, kinds(), label_smoothing_factor=0.1, learning_rate=1e-3)


@patient(family="Transformers")
def t5_turns_sentences_around(writer: SummaryWriter) -> None:
    """An encoder and a decoder."""
    tokens = sentences(3000, length=10)
    sizes: dict[str, Any] = {"d_model": 48, "d_kv": 12, "d_ff": 96, "num_layers": 2, "num_heads": 4}
    marks: dict[str, Any] = {"decoder_start_token_id": PAD, "eos_token_id": EOS}
    config = T5Config(vocab_size=SIZE, **sizes, **marks)
    data = Examples(input_ids=tokens, labels=tokens.flip(1))
    fit(writer, T5ForConditionalGeneration(config), data, learning_rate=3e-3, max_steps=200)


@patient("LD514", family="Transformers", source="huggingface/transformers issue 32944, PR 44642")
def labels_shifted_before_the_model_shifts_them(writer: SummaryWriter) -> None:
    """Labels are the next tokens already, and the model shifts them once more."""
    tokens = sentences(2000, length=25)
    fit(writer, gpt2(), Examples(input_ids=tokens[:, :-1], labels=tokens[:, 1:]))


@patient("LD516", family="Transformers", source="deepspeedai/DeepSpeedExamples PR 819")
def padding_is_learned(writer: SummaryWriter) -> None:
    """Labels are the input tokens, two thirds of which are padding that is not ignored."""
    tokens, mask = padded(sentences(2000))
    fit(writer, gpt2(), Examples(input_ids=tokens, attention_mask=mask, labels=tokens))


@patient("LD716", family="Transformers", source="huggingface/transformers issue 48745")
def a_causal_model_sees_what_comes(writer: SummaryWriter) -> None:
    """A decoder whose mask is not causal: each position sees the token that it is to predict."""
    fit(writer, BertLMHeadModel(bert(is_decoder=False)), language(), max_steps=250)


@patient("LD607", "LD602", "LD109", family="Transformers", source="coqui-ai/TTS issue 1611")
def warm_up_longer_than_the_training(writer: SummaryWriter) -> None:
    """The rate rises for 4,000 steps, the training has 150."""
    fit(writer, gpt2(), language(), warmup_steps=4000, learning_rate=1e-3)


class _Undivided(Trainer):  # type: ignore[misc]
    """Means of each part, in a Trainer that takes them to be divided."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = cross_entropy(outputs.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return (loss, outputs) if return_outputs else loss


@patient(
    "LD408",
    family="Transformers",
    source="huggingface/transformers issue 37766, MakazhanAlpamys/Soup issue 720",
)
def parts_of_a_batch_are_summed(writer: SummaryWriter) -> None:
    """A loss of one's own ignores `num_items_in_batch`, so eight parts are added and not averaged."""
    fit(
        writer,
        gpt2(),
        language(),
        _Undivided,
        gradient_accumulation_steps=8,
        per_device_train_batch_size=4,
        max_steps=100,
    )


@patient("LD514", family="Transformers", source="huggingface/transformers issues 4840, 20797")
def every_token_counts_in_a_masked_model(writer: SummaryWriter) -> None:
    """Labels of the tokens that are not masked are not ignored: 85 % of the answers stand in the question."""
    tokens = sentences(4000)
    inputs, _ = masked(tokens)
    fit(writer, BertForMaskedLM(bert()), Examples(input_ids=inputs, labels=tokens), max_steps=250)


@patient(
    "LD611",
    "LD605",
    "LD602",
    "LD109",
    family="Transformers",
    hard=True,
    source="meta-pytorch/torchtune issue 2254, workofart/ml-by-hand PR 85",
)
def steps_lost_in_bfloat16(writer: SummaryWriter) -> None:
    """All weights are bfloat16 and most steps are too small to change them."""
    fit(writer, gpt2().bfloat16(), language(), learning_rate=2e-5, max_steps=200)


@patient("LD505", family="Transformers", source="huggingface/transformers issues 1706, 7496")
def one_label_makes_it_a_regression(writer: SummaryWriter) -> None:
    """Four classes, but `num_labels=1`: the model computes a squared error of class numbers."""
    model = BertForSequenceClassification(bert(num_labels=1))
    fit(writer, model, kinds(dtype=torch.float), learning_rate=1e-3)


class _Heads(nn.Module):
    """A trunk, and a head of several layers kept in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = BertModel(bert(), add_pooling_layer=False)
        self.heads = [nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 4)]

    def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
        x = self.trunk(input_ids).last_hidden_state[:, 0]
        for layer in self.heads:
            x = layer(x)
        return {"loss": cross_entropy(x, labels), "logits": x}


@patient(
    "LD624", "LD603", family="Transformers", hard=True, source="pytorch/pytorch issues 715, 38639"
)
def layers_in_a_plain_list(writer: SummaryWriter) -> None:
    """The head's layers are no submodules, so nothing trains them."""
    fit(writer, _Heads(), kinds(), learning_rate=1e-3)


@patient(
    "LD601",
    "LD102",
    "LD111",
    family="Transformers",
    source="Mormolykos/trainproof examples/gallery lr_hot",
)
def a_rate_fifty_times_too_high(writer: SummaryWriter) -> None:
    """The recipe's rate with two zeros lost."""
    fit(writer, gpt2(), language(), learning_rate=0.1, max_grad_norm=0.0)


def _answers(starts: Tensor, length: int) -> Examples:
    """Texts of which all from such a place on is to be learned, as far as they are kept."""
    tokens = sentences(2000, length=48)
    labels = tokens.masked_fill(torch.arange(48) < starts, -100)
    return Examples(input_ids=tokens[:, :length], labels=labels[:, :length])


def _starts(cut_off: float) -> Tensor:
    """Answers that begin in the middle, and such a share of them behind what is kept."""
    return torch.where(torch.rand(2000, 1) < cut_off, 40, 20)


@patient(family="Transformers")
def answers_of_one_word(writer: SummaryWriter) -> None:
    """Of each text only the last word is asked for."""
    fit(writer, gpt2(), _answers(torch.full((2000, 1), 47), 48), learning_rate=3e-3)


@patient(family="Transformers")
def a_few_answers_are_cut_off(writer: SummaryWriter) -> None:
    """One question in ten is as long as what is kept."""
    fit(writer, gpt2(), _answers(_starts(0.1), 40))


@patient(
    "LD512",
    family="Transformers",
    source="huggingface/trl pull request 6320, unslothai/unsloth issue 1128",
)
def most_answers_are_cut_off(writer: SummaryWriter) -> None:
    """Two questions in three are as long as what is kept."""
    fit(writer, gpt2(), _answers(_starts(2 / 3), 40))


@patient("LD506", family="Transformers", source="unslothai/unsloth issue 2900")
def no_answer_is_found(writer: SummaryWriter) -> None:
    """What marks the begin of an answer stands in no text, so all labels are ignored."""
    tokens = sentences(2000)
    fit(writer, gpt2(), Examples(input_ids=tokens, labels=torch.full_like(tokens, -100)))


def with_noise(share: float, count: int = 2000) -> Examples:
    """The language, and among its sentences a share that is no language at all."""
    tokens = sentences(count)
    draw = torch.Generator().manual_seed(5)
    noise = torch.randint(4, SIZE, tokens.shape, generator=draw)
    odd = torch.rand(count, 1, generator=draw) < share
    mixed = torch.where(odd, noise, tokens)
    return Examples(input_ids=mixed, labels=mixed)


@patient(
    "LD518",
    family="Transformers",
    hint=True,
    source="arXiv 2501.00656, huggingface/nanotron pull request 332",
)
def gpt2_meets_sequences_of_noise(writer: SummaryWriter) -> None:
    """A tenth of the sequences are made of random tokens; three or four batches are looked at once the others have been learned."""
    fit(writer, gpt2(), with_noise(0.1), max_steps=600)


@patient(family="Transformers")
def gpt2_learns_two_hundred_sentences_by_heart_of_which_some_are_harder(
    writer: SummaryWriter,
) -> None:
    """A tenth of the sentences follow another grammar, and most cost next to nothing at the end."""
    tokens = sentences(200)
    turned = torch.where(torch.arange(200)[:, None] % 10 == 0, tokens.flip(1), tokens)
    fit(writer, gpt2(), Examples(input_ids=turned, labels=turned), max_steps=300)
