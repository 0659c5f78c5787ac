"""Frameworks' own examples, small: each with the README's line for it, and nothing wrong with any of them."""

from __future__ import annotations

import os
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.lightning_loops import fit
from clinic.abroad.corpora import sentences
from clinic.abroad.recipes import folder
from clinic.data import Samples, diabetes, flat_digits, square_digits, waves
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, nll_loss
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau
from torch.utils.data import TensorDataset

from tb_lossdiag import SummaryWriter

os.environ.setdefault("KERAS_BACKEND", "torch")


def _learner(
    writer: SummaryWriter, parts: tuple[Samples, Samples], *given: Any, **more: Any
) -> Any:
    """A learner of fastai's with the README's callback, and without its bar."""
    from fastai.basics import DataLoader, DataLoaders, Learner  # noqa: PLC0415
    from fastai.callback.progress import ProgressCallback  # noqa: PLC0415

    from tb_lossdiag.integrations.fastai import LossDoctor  # noqa: PLC0415

    loaders = [
        DataLoader(TensorDataset(part.x, part.y), bs=64, shuffle=part is parts[0], num_workers=0)
        for part in parts
    ]
    more["cbs"] = [*more.pop("cbs", ()), LossDoctor(folder(writer))]
    learner = Learner(DataLoaders(*loaders), *given, path=writer.log_dir, **more)
    learner.remove_cb(ProgressCallback)
    learner.logger = lambda *_: None
    return learner


@patient(family="fastai", source="https://docs.fast.ai/tutorial.vision.html")
def frames_a_frozen_body_and_then_all(writer: SummaryWriter) -> None:
    """`fine_tune`: an epoch of the head alone, then all of it with smaller rates below; fastai's own loss."""
    from fastai.basics import CrossEntropyLossFlat, params  # noqa: PLC0415
    from fastai.callback import schedule  # noqa: F401, PLC0415

    body = nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1),
        nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip
    head = nn.Sequential(
        nn.BatchNorm1d(32), nn.Dropout(0.25), nn.Linear(32, 64, bias=False), nn.ReLU(),
        nn.BatchNorm1d(64), nn.Linear(64, 10, bias=False),
    )  # fmt: skip
    learner = _learner(
        writer, square_digits(), nn.Sequential(body, head), CrossEntropyLossFlat(),
        splitter=lambda model: [params(model[0]), params(model[1])],
    )  # fmt: skip
    learner.fine_tune(4)


@patient(family="fastai", source="fastai/fastbook 09_tabular")
def frames_a_range_for_the_answers(writer: SummaryWriter) -> None:
    """A table, `y_range`, one cycle at 1e-2."""
    from fastai.basics import MSELossFlat, SigmoidRange  # noqa: PLC0415
    from fastai.callback import schedule  # noqa: F401, PLC0415

    data = diabetes(scaled=False)
    model = nn.Sequential(
        nn.Linear(10, 50, bias=False), nn.ReLU(), nn.BatchNorm1d(50), nn.Linear(50, 25, bias=False),
        nn.ReLU(), nn.BatchNorm1d(25), nn.Linear(25, 1), SigmoidRange(3, 6),
    )  # fmt: skip
    parts = Samples(data.x, data.y.log()).split(360)
    _learner(writer, parts, model, MSELossFlat()).fit_one_cycle(12, 1e-2)


@patient(family="fastai", source="fastai/fastbook 04_mnist_basics")
def frames_a_loss_that_is_a_distance(writer: SummaryWriter) -> None:
    """Threes and sevens: the mean distance of a probability from its label, plain SGD of 0.1."""
    from fastai.basics import SGD as STEPS  # noqa: PLC0415

    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        odds = scores.sigmoid()
        return torch.where(targets == 1, 1 - odds, odds).mean()

    train, held_out = (
        Samples(part.x[rows], (part.y[rows] == 3).float().unsqueeze(1))
        for part in flat_digits()
        for rows in [(part.y == 3) | (part.y == 7)]
    )
    model = nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 1))
    _learner(writer, (train, held_out), model, loss, opt_func=STEPS).fit(30, 0.1)


def _doctor(writer: SummaryWriter) -> Any:
    from tb_lossdiag.integrations.keras import LossDoctor  # noqa: PLC0415

    return LossDoctor(folder(writer))


@patient(family="Keras 3", source="https://keras.io/guides/transfer_learning/")
def frames_a_base_that_is_thawed(writer: SummaryWriter) -> None:
    """A head on a frozen base, which knows half of the digits; then compiled anew, and all of it at a rate of 1e-5: the loss hardly moves any more."""
    import keras  # noqa: PLC0415

    keras.utils.set_random_seed(torch.initial_seed())
    layers, (train, _) = keras.layers, square_digits()
    x, y = train.x.permute(0, 2, 3, 1).numpy(), train.y.numpy()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
        ]
    )
    known = keras.Sequential([base, layers.Dense(5)])
    known.compile("adam", loss)
    known.fit(x[y < 5], y[y < 5], epochs=10, verbose=0)
    base.trainable = False
    inputs = keras.Input((8, 8, 1))
    outputs = layers.Dense(10)(layers.Dropout(0.2)(base(inputs, training=False)))
    model, doctor = keras.Model(inputs, outputs), _doctor(writer)
    for rate, epochs in ((1e-3, 6), (1e-5, 3)):
        model.compile(keras.optimizers.Adam(rate), loss)
        model.fit(x, y, epochs=epochs, verbose=0, validation_split=0.1, callbacks=[doctor])
        base.trainable = True


@patient(family="Keras 3", source="https://blog.keras.io/building-autoencoders-in-keras.html")
def frames_pixels_as_probabilities(writer: SummaryWriter) -> None:
    """A sigmoid and the cross-entropy of grey pixels, which has a floor far above 0."""
    import keras  # noqa: PLC0415

    keras.utils.set_random_seed(torch.initial_seed())
    x = flat_digits()[0].x.numpy()
    inputs = keras.Input((64,))
    code = keras.layers.Dense(16, activation="relu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(64, activation="sigmoid")(code))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    model.fit(
        x, x, epochs=20, batch_size=64, verbose=0, validation_split=0.1,
        callbacks=[_doctor(writer)],
    )  # fmt: skip


@patient(family="Stable-Baselines3", source="https://stable-baselines3.readthedocs.io modules/sac")
def frames_an_actor_and_two_critics(writer: SummaryWriter) -> None:
    """SAC on a pendulum: it learns its temperature."""
    from stable_baselines3 import SAC  # noqa: PLC0415

    from tb_lossdiag.integrations.stable_baselines3 import LossDoctor  # noqa: PLC0415

    sizes = {"net_arch": [32, 32]}
    model = SAC(
        "MlpPolicy", "Pendulum-v1", learning_rate=1e-3, policy_kwargs=sizes, batch_size=64,
        seed=torch.initial_seed(), device="cpu",
    )  # fmt: skip
    model.learn(350, callback=LossDoctor(folder(writer)))


class _Module(LightningModule):
    """Whatever loss is given, of a net; a schedule where one is made."""

    def __init__(self, net: nn.Module, loss: Any, optimizers: Any) -> None:
        super().__init__()
        self.net, self.loss, self.made = net, loss, optimizers

    def training_step(self, batch: Any, _: int) -> Tensor:
        loss: Tensor = self.loss(self.net, *batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, _: int) -> None:
        self.log("val_loss", self.loss(self.net, *batch))

    def configure_optimizers(self) -> Any:
        return self.made(self)


@patient(family="Lightning", source="Lightning-AI/pytorch-lightning demos/transformer.py")
def frames_a_transformer_by_plain_steps(writer: SummaryWriter) -> None:
    """The demo's language model, SGD of 0.1."""
    from pytorch_lightning.demos import Transformer  # noqa: PLC0415

    rows = sentences(800, 17)
    net = Transformer(vocab_size=48, ninp=48, nhead=4, nhid=48)
    module = _Module(
        net,
        lambda model, x, y: nll_loss(model(x, y), y.reshape(-1)),
        lambda module: SGD(module.parameters(), lr=0.1),
    )
    fit(writer, module, Samples(rows[:, :-1], rows[:, 1:]), max_epochs=5)


@patient(family="Lightning", source="lightning tutorials cifar10-baseline")
def frames_one_cycle_of_the_rate(writer: SummaryWriter) -> None:
    """Momentum, decay, and a rate that rises to 0.1 and falls again with each step."""
    train, held_out = square_digits()
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10), nn.LogSoftmax(1),
    )  # fmt: skip

    def optimizers(module: nn.Module) -> Any:
        made = SGD(module.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        schedule = OneCycleLR(made, 0.1, total_steps=400)
        return {
            "optimizer": made,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    module = _Module(net, lambda model, x, y: nll_loss(model(x), y), optimizers)
    fit(writer, module, train, held_out=held_out, max_epochs=8)


class _Forecast(nn.Module):
    """Seven quantiles of each of five steps to come."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(1, 32, batch_first=True), nn.Linear(32, 35)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.out(self.lstm(x)[0][:, -1]).view(-1, 5, 7)
        return answer


def _quantiles(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    levels = torch.tensor([0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98])
    error = y.unsqueeze(-1) - model(x)
    return torch.maximum((levels - 1) * error, levels * error).sum(-1).mean()


@patient(family="Lightning", source="sktime/pytorch-forecasting tutorials, DeepAR and TFT")
def frames_quantiles_of_what_comes(writer: SummaryWriter) -> None:
    """Pinball losses, a clip at 0.1 that always acts, a rate that waits for the validation."""
    series = waves().x

    def optimizers(module: nn.Module) -> Any:
        made = Adam(module.parameters(), lr=3e-3)
        waits = {"scheduler": ReduceLROnPlateau(made, patience=4), "monitor": "val_loss"}
        return {"optimizer": made, "lr_scheduler": waits}

    train, held_out = Samples(series[:, :35], series[:, 35:, 0]).split(400)
    module = _Module(_Forecast(), _quantiles, optimizers)
    fit(writer, module, train, held_out=held_out, max_epochs=15, gradient_clip_val=0.1)


def _pairs(model: nn.Module, x: Tensor, _: Tensor) -> Tensor:
    """InfoNCE of two views, as the tutorial masks it."""
    views = torch.cat([x + 0.2 * torch.randn_like(x), x * (torch.rand_like(x) > 0.2)])
    found = model(views)
    alike = cosine_similarity(found[:, None, :], found[None, :, :], dim=-1)
    own = torch.eye(len(alike), dtype=torch.bool)
    alike = alike.masked_fill(own, -9e15) / 0.07
    return (alike.logsumexp(-1) - alike[own.roll(len(alike) // 2, 0)]).mean()


@patient(family="Lightning", source="lightning tutorials 13-contrastive-learning")
def frames_two_views_of_a_digit(writer: SummaryWriter) -> None:
    """A temperature of 0.07, likenesses with oneself at -9e15."""
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32))  # fmt: skip

    def optimizers(module: nn.Module) -> Any:
        made = AdamW(module.parameters(), lr=5e-4, weight_decay=1e-4)
        return [made], [CosineAnnealingLR(made, T_max=10, eta_min=1e-5)]

    fit(writer, _Module(net, _pairs, optimizers), flat_digits()[0], max_epochs=10)
