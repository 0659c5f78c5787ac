"""The tenth lot, what is sound: Keras, graphs, Lightning, Transformers and TRL."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from clinic.abroad import sealed
from clinic.abroad.cases.language import bert, fit
from clinic.abroad.cases.sealed_tenth import take_step
from clinic.abroad.cases.sealed_tenth_keras import callback, keras_on_torch
from clinic.abroad.corpora import Examples, padded, sentences
from clinic.abroad.recipes import for_lightning
from clinic.data import flat_digits, waves
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gaussian_nll_loss, mse_loss, softplus
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset
from torch_geometric.data import Batch, Data
from torch_geometric.nn import MLP, GINConv, global_add_pool
from transformers import BertForSequenceClassification

from tb_lossdiag import SummaryWriter


def _convnet(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    keras = keras_on_torch()
    layers = keras.layers
    data, held_out = flat_digits()
    x, new = (part.x.view(-1, 8, 8, 1).numpy() for part in (data, held_out))
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)), layers.Conv2D(16, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2), layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2), layers.Flatten(), layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )  # fmt: skip
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    y = keras.utils.to_categorical(data.y.numpy(), 10)
    model.fit(
        x, y, batch_size=64, epochs=12, validation_split=0.1, verbose=0, callbacks=callback(writer)
    )
    told = torch.as_tensor(model.predict(new, verbose=0).argmax(1))
    return float((told == held_out.y).float().mean())


@sealed(family="keras", source="https://keras.io/examples/vision/mnist_convnet/")
def tenth_keras_first_example(writer: SummaryWriter) -> None:
    """Convolutions, dropout before the softmax, a tenth kept for validation."""
    _convnet(writer)


def _molecules(count: int) -> list[Data]:
    """Rings and chains of six to twelve atoms of three kinds, with a branch or two."""
    made = []
    for row in range(count):
        size, ring = int(torch.randint(6, 13, ())), row % 2
        at = torch.arange(size)
        pairs = [torch.stack([at[:-1], at[1:]])]
        pairs += [torch.tensor([[0], [size - 1]])] * ring
        pairs += [torch.stack([torch.randint(size, (2,)), torch.tensor([size, size + 1])])]
        edges = torch.cat(pairs, 1)
        kinds = nn.functional.one_hot(torch.randint(3, (size + 2,)), 3).float()
        made.append(
            Data(x=kinds, edge_index=torch.cat([edges, edges.flip(0)], 1), y=torch.tensor([ring]))
        )
    return made


class _GIN(nn.Module):
    """Four rounds of sums, and a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            GINConv(MLP([width, 32, 32]), train_eps=False) for width in (3, 32, 32, 32)
        )
        self.mlp = MLP([32, 32, 2], norm=None, dropout=0.3)

    def forward(self, batch: Any) -> Tensor:
        x = batch.x
        for conv in self.convs:
            x = conv(x, batch.edge_index).relu()
        logits: Tensor = self.mlp(global_add_pool(x, batch.batch))
        return logits


def _mutag(writer: SummaryWriter) -> float:
    """Accuracy on new molecules."""
    molecules = _molecules(300)
    model = _GIN()
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    for step in range(250):
        rows = torch.randint(300, (32,)).tolist()
        batch: Any = Batch.from_data_list([molecules[row] for row in rows])
        take_step(writer, optimizer, cross_entropy(model(batch), batch.y), step)
    model.eval()
    batch = Batch.from_data_list(_molecules(100))
    with torch.no_grad():
        return float((model(batch).argmax(1) == batch.y).float().mean())


@sealed(
    family="graphs",
    source="https://github.com/pyg-team/pytorch_geometric/blob/master/examples/mutag_gin.py",
)
def tenth_rings_and_chains(writer: SummaryWriter) -> None:
    """GIN over small graphs, which are summed up."""
    _mutag(writer)


class _Probabilistic(pl.LightningModule):
    """A GRU that tells what comes next, and how sure it is."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.GRU(1, 48, batch_first=True), nn.Linear(48, 2)

    def _loss(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        x, y = batch
        mean, width = self.out(self.rnn(x)[0]).chunk(2, -1)
        return gaussian_nll_loss(mean, y, softplus(width) + 1e-3), mse_loss(mean, y)

    def training_step(self, batch: tuple[Tensor, ...], _index: int) -> Tensor:
        loss, _ = self._loss(batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], _index: int) -> None:
        self.log("val_loss", self._loss(batch)[0])

    def configure_optimizers(self) -> Any:
        optimizer = Adam(self.parameters(), lr=5e-3)
        return [optimizer], [CosineAnnealingLR(optimizer, 12)]

    def error(self, batch: tuple[Tensor, ...]) -> float:
        """Squared error against the variance."""
        with torch.no_grad():
            return float(self._loss(batch)[1] / batch[1].var())


def _series(writer: SummaryWriter) -> float:
    """Squared error on series kept back, against their variance."""
    train, kept = waves(40, 512).split(448)
    lit = _Probabilistic()
    trainer = pl.Trainer(
        max_epochs=12, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, gradient_clip_val=0.5,
        callbacks=for_lightning(writer),
    )  # fmt: skip
    trainer.fit(
        lit, DataLoader(TensorDataset(train.x, train.y), batch_size=32, shuffle=True),
        DataLoader(TensorDataset(kept.x, kept.y), batch_size=64),
    )  # fmt: skip
    return lit.error((kept.x, kept.y))


@sealed(
    family="Lightning",
    source="https://github.com/sktime/pytorch-forecasting/blob/main/docs/source/tutorials/deepar.ipynb",
)
def tenth_a_forecast_that_knows_how_sure_it_is(writer: SummaryWriter) -> None:
    """A Gaussian likelihood, which falls below nought; clipped, and cooled down by epochs."""
    _series(writer)


def _pairs(count: int, seed: int) -> Examples:
    """Padded sentences and whether their first word is from the upper half."""
    ids, mask = padded(sentences(count, 24, seed=seed), seed)
    return Examples(input_ids=ids, attention_mask=mask, labels=(ids[:, 0] >= 26).long())


def _glue(writer: SummaryWriter) -> float:
    """Accuracy on new sentences."""
    model = BertForSequenceClassification(bert(num_labels=2))
    more: dict[str, Any] = {"lr_scheduler_type": "linear", "warmup_steps": 12, "weight_decay": 0.01}
    fit(
        writer, model, _pairs(1600, 1), held_out=_pairs(200, 5), learning_rate=1e-3, max_steps=200,
        **more,
    )  # fmt: skip
    new = _pairs(300, 7).columns
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=new["input_ids"], attention_mask=new["attention_mask"]).logits
    return float((logits.argmax(1) == new["labels"]).float().mean())


@sealed(
    family="Transformers",
    source="https://github.com/huggingface/transformers/tree/main/examples/pytorch/text-classification",
)
def tenth_sentences_in_two_kinds(writer: SummaryWriter) -> None:
    """BERT for classification by the Trainer: padding is masked, warm-up and a linear end, evaluated on the way."""
    _glue(writer)


def _chat(writer: SummaryWriter) -> float:
    """Loss of the last steps."""
    from clinic.abroad.cases.adapters import lora, pretrained  # noqa: PLC0415
    from clinic.abroad.cases.preferences import common, halves, run, tokenizer  # noqa: PLC0415
    from clinic.abroad.recipes import for_trainer  # noqa: PLC0415
    from datasets import Dataset  # noqa: PLC0415
    from trl import SFTConfig, SFTTrainer  # noqa: PLC0415

    prompt, completion = halves(800, seed=6)
    data = Dataset.from_dict({"prompt": prompt, "completion": completion})
    more = {"learning_rate": 3e-3, "max_steps": 100, "lr_scheduler_type": "cosine"}
    trainer = SFTTrainer(
        lora(pretrained(60)), SFTConfig(completion_only_loss=True, **common(writer, **more)),
        train_dataset=data, processing_class=tokenizer(), callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)
    logs = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return float(sum(logs[-10:]) / 10)


@sealed(family="TRL", source="https://huggingface.co/docs/trl/sft_trainer")
def tenth_adapters_learn_how_sentences_go_on(writer: SummaryWriter) -> None:
    """SFT of a model with LoRA, on completions alone, with a cosine."""
    _chat(writer)
