"""The fifth lot, through Transformers' Trainer and Lightning: a model of one's own, no padding of one's own, what is sound."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import BOS, EOS, SIZE, Examples, sentences
from clinic.abroad.recipes import for_lightning, for_trainer
from clinic.data import flat_digits
from clinic.nets import mlp
from pytorch_lightning import LightningModule
from pytorch_lightning import Trainer as LightningTrainer
from pytorch_lightning.callbacks import EarlyStopping
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorForLanguageModeling,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from tb_lossdiag import SummaryWriter


def _config() -> GPT2Config:
    sizes: dict[str, Any] = {"n_layer": 2, "n_head": 4, "n_embd": 48, "n_positions": 64}
    return GPT2Config(vocab_size=SIZE, bos_token_id=BOS, eos_token_id=EOS, **sizes)


def _train(writer: SummaryWriter, model: Any, data: Any, **more: Any) -> None:
    evaluation, steps = more.pop("eval_dataset", None), more.pop("steps", 150)
    size, rate = more.pop("size", 16), more.pop("rate", 2e-3)
    args = TrainingArguments(
        output_dir=writer.log_dir + "/out", max_steps=steps, per_device_train_batch_size=size,
        learning_rate=rate, lr_scheduler_type="cosine", warmup_steps=10, logging_steps=5,
        eval_strategy="no" if evaluation is None else "steps", eval_steps=50, save_strategy="no",
        report_to="none", use_cpu=True, disable_tqdm=True, seed=torch.initial_seed(),
    )  # fmt: skip
    trainer = Trainer(
        model,
        args,
        train_dataset=data,
        eval_dataset=evaluation,
        callbacks=for_trainer(writer),
        **more,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()


class _Shifted(GPT2LMHeadModel):  # type: ignore[misc]
    """A causal model whose `forward` shifts logits and labels, as older ones did."""

    shifts = True

    def forward(self, input_ids: Any = None, labels: Any = None, **kwargs: Any) -> Any:
        output: Any = super().forward(input_ids=input_ids, **kwargs)
        if labels is not None:
            logits = output.logits.float()
            shift_logits, shift_labels = logits, labels
            if self.shifts:
                shift_logits = logits[..., :-1, :].contiguous()
                shift_labels = labels[..., 1:].contiguous()
            output.loss = self.loss_function(shift_logits, shift_labels, self.config.vocab_size)
        return output


def _next_but_one(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of next words that are guessed, on held-out sentences."""
    text, held_out = sentences(2000), sentences(200, seed=1)
    model: Any = _Shifted(_config())
    model.shifts = not fixed
    test = Examples(input_ids=held_out, labels=held_out)
    _train(writer, model, Examples(input_ids=text, labels=text), eval_dataset=test)
    model.eval()
    with torch.no_grad():
        guesses = model(input_ids=held_out).logits[:, :-1].argmax(-1)
    return float((guesses == held_out[:, 1:]).float().mean())


@patient(
    "LD514",
    family="Transformers",
    source="https://github.com/huggingface/transformers/pull/37830, https://github.com/huggingface/transformers/issues/47394",
)
def fifth_shifted_and_shifted_again(writer: SummaryWriter) -> None:
    """The model shifts, and so does the loss that it calls: it learns the next word but one."""
    _next_but_one(writer)


ROLES = {"bos_token": "<s>", "eos_token": "</s>"}


def _word_tokenizer() -> Any:
    """A tokenizer that has no padding token, as Llama's."""
    names = ["<unk>", *ROLES.values(), "<mask>", *(f"w{word}" for word in range(SIZE - 4))]
    made = Tokenizer(WordLevel({name: place for place, name in enumerate(names)}, "<unk>"))
    made.pre_tokenizer = WhitespaceSplit()
    kind: Any = PreTrainedTokenizerFast
    return kind(tokenizer_object=made, unk_token=names[0], **ROLES)


def _endless(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Mean probability of the end where an answer of the training ends."""
    tokenizer = _word_tokenizer()
    if fixed:
        tokenizer.add_special_tokens({"pad_token": "<unk>"})
    else:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    lengths = torch.randint(4, 12, (1500,))
    rows = [
        [BOS, *row[:length].tolist(), EOS]
        for row, length in zip(sentences(1500, 12), lengths.tolist(), strict=True)
    ]
    data = [{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows]
    collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    model: Any = GPT2LMHeadModel(_config())
    _train(
        writer,
        model,
        data,
        data_collator=collator,
        eval_dataset=data[:100],
        processing_class=tokenizer,
    )
    model.eval()
    ends = []
    with torch.no_grad():
        for row in rows[:100]:
            logits = model(input_ids=torch.tensor([row[:-1]])).logits[0, -1]
            ends.append(logits.softmax(-1)[EOS])
    return float(torch.stack(ends).mean())


@patient(
    "LD515",
    family="Transformers",
    source="https://github.com/mlabonne/llm-course/issues/33, https://github.com/unslothai/unsloth/issues/416",
)
def fifth_an_end_taken_for_padding(writer: SummaryWriter) -> None:
    """`pad_token = eos_token`: the collator leaves every end out of the labels, and the model never stops."""
    _endless(writer)


@patient(family="Transformers", also=("LD107", "LD108"))
def fifth_four_reviews_at_a_time(writer: SummaryWriter) -> None:
    """BERT learns from batches of four noisy reviews, warmed up and cooled down: its loss jumps about, and falls."""
    words = sentences(900, 12)
    likes = (words < 14).sum(1) + 0.5 * torch.randn(900) > 2.4
    sizes: dict[str, Any] = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(vocab_size=SIZE, intermediate_size=96, num_labels=2, **sizes)
    data, test = (
        Examples(input_ids=words[part], labels=likes[part].long())
        for part in (slice(0, 700), slice(700, 900))
    )
    model = BertForSequenceClassification(config)
    _train(writer, model, data, eval_dataset=test, steps=300, size=4, rate=5e-4)


class _Autoencoder(LightningModule):
    """Pictures of digits with noise, and without."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 64, 12), mlp(12, 64, 64)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        (x,) = batch
        loss = mse_loss(self.decoder(self.encoder(x + 0.3 * torch.randn_like(x))), x)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        (x,) = batch
        self.log("val_loss", mse_loss(self.decoder(self.encoder(x)), x))

    def configure_optimizers(self) -> Any:
        optimizer = Adam(self.parameters(), lr=3e-3)
        scheduler = ReduceLROnPlateau(optimizer, factor=0.3, patience=2)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss"},
        }


@patient(family="Lightning")
def fifth_denoised_until_it_gets_no_better(writer: SummaryWriter) -> None:
    """A denoising autoencoder: validation, without noise, is easier; the rate falls on plateaus, and it stops early."""
    train, val = (
        DataLoader(TensorDataset(part.x), batch_size=64, shuffle=first)
        for first, part in zip((True, False), flat_digits(), strict=True)
    )
    trainer = LightningTrainer(
        max_epochs=25, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=writer.log_dir,
        callbacks=[*for_lightning(writer), EarlyStopping("val_loss", patience=5)],
    )  # fmt: skip
    trainer.fit(_Autoencoder(), train, val)
