"""TRL: supervised fine-tuning, preferences and rewards, of a small GPT-2 with a tokenizer made here."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.adapters import pretrained
from clinic.abroad.corpora import SIZE, sentences, words_of
from clinic.abroad.recipes import for_trainer
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedTokenizerFast,
    PrinterCallback,
)
from trl import (
    DPOConfig,
    DPOTrainer,
    GRPOConfig,
    GRPOTrainer,
    RewardConfig,
    RewardTrainer,
    SFTConfig,
    SFTTrainer,
)

from tb_lossdiag import SummaryWriter

SPECIAL = ("<pad>", "<bos>", "<eos>", "<mask>")


def tokenizer() -> Any:
    """A word for each token of the language."""
    names = [*SPECIAL, *(f"w{word}" for word in range(SIZE - 4))]
    made = Tokenizer(WordLevel({name: place for place, name in enumerate(names)}, SPECIAL[3]))
    made.pre_tokenizer = WhitespaceSplit()
    roles = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    kind: Any = PreTrainedTokenizerFast
    return kind(tokenizer_object=made, **roles)


def common(writer: SummaryWriter, **more: Any) -> dict[str, Any]:
    """Arguments of every TRL configuration."""
    return {
        "output_dir": writer.log_dir + "/out",
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
        "seed": torch.initial_seed(),
        "logging_steps": 1,
        "max_steps": 60,
        "per_device_train_batch_size": 16,
        "learning_rate": 1e-3,
        "bf16": False,
        "gradient_checkpointing": False,
        **more,
    }


def run(trainer: Any) -> None:
    """Train without its prints."""
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def halves(count: int = 800, seed: int = 3) -> tuple[list[str], list[str]]:
    """Beginnings of sentences and how they go on."""
    rows = sentences(count, length=16, seed=seed)
    return [words_of(row[:8]) for row in rows], [" " + words_of(row[8:]) for row in rows]


def fine_tune(writer: SummaryWriter, prompt: list[str], completion: list[str], **more: Any) -> None:
    """SFT on completions only."""
    data = Dataset.from_dict({"prompt": prompt, "completion": completion})
    settings = SFTConfig(completion_only_loss=True, **common(writer, **more))
    trainer = SFTTrainer(
        pretrained(30), settings, train_dataset=data, processing_class=tokenizer(),
        callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)


@patient(family="TRL")
def sft_of_completions(writer: SummaryWriter) -> None:
    """Prompts are ignored."""
    fine_tune(writer, *halves())


@patient(
    "LD506",
    "LD512",
    "LD114",
    "LD101",
    family="TRL",
    source="huggingface/trl issue 6668, bytedance/UniVR issue 13",
)
def sft_of_nothing(writer: SummaryWriter) -> None:
    """Labels are all -100: what was to be learned was cut away before."""
    tokens = sentences(400, length=16)
    rows = tokens.tolist()
    data = Dataset.from_dict({"input_ids": rows, "labels": [[-100] * 16 for _ in rows]})
    settings = SFTConfig(dataset_kwargs={"skip_prepare_dataset": True}, **common(writer))
    trainer = SFTTrainer(
        pretrained(30), settings, train_dataset=data, processing_class=tokenizer(),
        callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)


@patient(
    "LD601", "LD102", "LD111", family="TRL", source="Mormolykos/trainproof examples/gallery lr_hot"
)
def sft_at_a_rate_for_descent(writer: SummaryWriter) -> None:
    """The rate is a hundred times what it should be."""
    fine_tune(writer, *halves(), learning_rate=0.2, max_grad_norm=0.0)


@patient("LD107", family="TRL", source="unslothai/unsloth issue 2364, docs.unsloth.ai overfitting")
def sft_of_forty_sentences(writer: SummaryWriter) -> None:
    """Forty examples are learned by heart, and what was held out gets worse."""
    prompt, completion = halves(40)
    held_out = Dataset.from_dict(
        dict(zip(("prompt", "completion"), halves(200, seed=4), strict=True))
    )
    data = Dataset.from_dict({"prompt": prompt, "completion": completion})
    more = common(writer, max_steps=150, learning_rate=3e-3, eval_strategy="steps", eval_steps=10)
    trainer = SFTTrainer(
        pretrained(100), SFTConfig(completion_only_loss=True, **more), train_dataset=data,
        eval_dataset=held_out, processing_class=tokenizer(), callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)


def prefer(writer: SummaryWriter, chosen: list[str], rejected: list[str], **more: Any) -> None:
    """DPO."""
    prompt, _ = halves(len(chosen))
    data = Dataset.from_dict({"prompt": prompt, "chosen": chosen, "rejected": rejected})
    settings = DPOConfig(**common(writer, **{"learning_rate": 5e-4, "max_steps": 80, **more}))
    model = pretrained()
    trainer = DPOTrainer(
        model, deepcopy(model), args=settings, train_dataset=data, processing_class=tokenizer(),
        callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)


def tails(count: int = 800) -> tuple[list[str], list[str]]:
    """Continuations that follow the grammar, and random ones."""
    _, good = halves(count)
    noise = torch.randint(4, SIZE, (count, 8), generator=torch.Generator().manual_seed(5))
    return good, [" " + words_of(row) for row in noise]


@patient(family="TRL")
def dpo_prefers_grammar(writer: SummaryWriter) -> None:
    """The loss starts at ln 2 and falls."""
    prefer(writer, *tails())


@patient("LD205", "LDR22", "LD208", family="TRL", source="huggingface/trl issue 1311")
def dpo_of_two_equal_answers(writer: SummaryWriter) -> None:
    """A column was taken twice: chosen and rejected are the same, the loss stays at ln 2."""
    good, _ = tails()
    prefer(writer, good, good)


@patient(
    "LD602",
    "LD109",
    "LD104",
    family="TRL",
    hard=True,
    source="huggingface/trl issue 1311, eric-mitchell/direct-preference-optimization issue 32",
)
def dpo_with_a_beta_of_nothing(writer: SummaryWriter) -> None:
    """The rewards are so small that the loss does not leave ln 2."""
    prefer(writer, *tails(), beta=1e-5, learning_rate=5e-6)


def reinforce(writer: SummaryWriter, reward: Any, **more: Any) -> None:
    """GRPO with eight short completions a prompt."""
    prompt, _ = halves(200)
    settings = GRPOConfig(
        num_generations=8,
        max_completion_length=6,
        **common(writer, **{"max_steps": 40, "learning_rate": 1e-3, **more}),
    )
    trainer = GRPOTrainer(
        pretrained(), reward, args=settings, train_dataset=Dataset.from_dict({"prompt": prompt}),
        processing_class=tokenizer(), callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)


def even_words(completions: list[str], **_: Any) -> list[float]:
    """Share of words with an even number."""
    counted = [
        [int(word[1:]) % 2 == 0 for word in text.split() if word[1:].isdigit()]
        for text in completions
    ]
    return [sum(row) / max(len(row), 1) for row in counted]


@patient(family="TRL")
def grpo_likes_even_words(writer: SummaryWriter) -> None:
    """Its loss starts at 0 and stays near it; rewards rise."""
    reinforce(writer, even_words)


def _the_same(completions: list[str], **_: Any) -> list[float]:
    return [0.0 for _ in completions]


@patient(
    "LD205",
    "LDR13",
    "LDR14",
    family="TRL",
    source="modelscope/ms-swift issue 4547, huggingface/trl issue 3857",
)
def grpo_with_equal_rewards(writer: SummaryWriter) -> None:
    """The parser of the answers never matches: all rewards are 0, so is the gradient."""
    reinforce(writer, _the_same)


@patient(
    "LD601",
    "LDR02",
    family="TRL",
    hard=True,
    source="huggingface/trl issue 3452, rl_doctor detectors (entropy collapse)",
)
def grpo_collapses(writer: SummaryWriter) -> None:
    """The rate is far too high: after a few steps every completion is the same."""
    reinforce(writer, even_words, learning_rate=0.05, max_grad_norm=0.0)


def judge(writer: SummaryWriter, chosen: list[str], rejected: list[str]) -> None:
    """A reward model."""
    prompt, _ = halves(len(chosen))
    data = Dataset.from_dict({"prompt": prompt, "chosen": chosen, "rejected": rejected})
    sizes: dict[str, Any] = {"n_layer": 2, "n_head": 4, "n_embd": 48, "num_labels": 1}
    config = GPT2Config(vocab_size=SIZE, pad_token_id=0, bos_token_id=1, eos_token_id=2, **sizes)
    trainer = RewardTrainer(
        GPT2ForSequenceClassification(config),
        RewardConfig(**common(writer, max_steps=100)),
        train_dataset=data,
        processing_class=tokenizer(),
        callbacks=for_trainer(writer),
    )
    run(trainer)


@patient(family="TRL")
def a_reward_model(writer: SummaryWriter) -> None:
    """Tells grammar from noise."""
    judge(writer, *tails())


@patient(
    "LD104",
    family="TRL",
    source="huggingface/trl issue 1236, RLHFlow/RLHF-Reward-Modeling (label noise)",
)
def a_reward_model_of_shuffled_pairs(writer: SummaryWriter) -> None:
    """Which answer was chosen got lost: half of the pairs are the wrong way round."""
    pairs = list(zip(*tails(), strict=True))
    turned = [pair if place % 2 else pair[::-1] for place, pair in enumerate(pairs)]
    judge(writer, [first for first, _ in turned], [second for _, second in turned])
