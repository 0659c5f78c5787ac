"""The tenth lot: Keras 3 with torch."""

from __future__ import annotations

import os
from typing import Any

import torch
from clinic.abroad import sealed
from clinic.abroad.recipes import folder
from clinic.case import NO_CODE
from clinic.data import flat_digits
from torch import Tensor

from tb_lossdiag import SummaryWriter


def keras_on_torch() -> Any:
    """Keras, seeded as the case is."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras  # noqa: PLC0415

    keras.utils.set_random_seed(int(torch.randint(1000, ())))
    return keras


def callback(writer: SummaryWriter) -> list[Any]:
    """The README's."""
    from tb_lossdiag.integrations.keras import LossDoctor  # noqa: PLC0415

    return [LossDoctor(folder(writer))]


def _citations(nodes: int = 300, groups: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Papers that mostly cite their own group, though not often, what they are about, and their group."""
    group = torch.randint(groups, (nodes,))
    odds = torch.where(group[:, None] == group[None], 0.02, 0.004)
    cites = (torch.rand(nodes, nodes) < odds).triu(1).float()
    centres = torch.randn(groups, 24)
    return centres[group] + 1.5 * torch.randn(nodes, 24), cites + cites.T, group


def _attention_layer(keras: Any) -> Any:
    ops, layers = keras.ops, keras.layers

    class GraphAttention(layers.Layer):  # type: ignore[misc,name-defined]
        """Each node looks at those that the matrix names."""

        def __init__(self, units: int, activation: str | None = None) -> None:
            super().__init__()
            self.dense = layers.Dense(units, use_bias=False)
            self.me, self.them = layers.Dense(1), layers.Dense(1)
            self.activation, self.dropout = keras.activations.get(activation), layers.Dropout(0.3)

        def call(self, inputs: Any, training: bool = False) -> Any:
            """Values of neighbours, weighted."""
            x, a = inputs
            h = self.dense(x)
            scores = ops.leaky_relu(self.me(h) + ops.transpose(self.them(h)), 0.2)
            weights = ops.softmax(scores - 10e9 * (1.0 - a))
            return self.activation(ops.matmul(self.dropout(weights, training=training), h))

    return GraphAttention


def _cora(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on papers whose group was not given."""
    keras = keras_on_torch()
    x, a, y = _citations()
    if fixed:
        a = a + torch.eye(len(a))
    attend = _attention_layer(keras)
    x_in, a_in = (keras.Input(batch_shape=tuple(part.shape)) for part in (x, a))
    h = attend(32, "elu")([keras.layers.Dropout(0.3)(x_in), a_in])
    out = attend(5, "softmax")([h, a_in])
    model = keras.Model([x_in, a_in], out)
    model.compile(
        optimizer=keras.optimizers.Adam(5e-3), loss="sparse_categorical_crossentropy",
        weighted_metrics=["acc"],
    )  # fmt: skip
    known = (torch.arange(len(y)) < 100).float()
    inputs = [x.numpy(), a.numpy()]
    model.fit(
        inputs, y.numpy(), sample_weight=known.numpy(), epochs=150, batch_size=len(y),
        shuffle=False, verbose=0, callbacks=callback(writer),
    )  # fmt: skip
    told = torch.as_tensor(model.predict(inputs, batch_size=len(y), verbose=0).argmax(1))
    return float((told == y)[100:].float().mean())


@sealed(
    NO_CODE,
    also=("LD107", "LD108", "LD711"),
    family="graphs",
    source="https://github.com/danielegrattarola/keras-gat/issues/11",
    hard=True,
)
def tenth_keras_nodes_that_do_not_see_themselves(writer: SummaryWriter) -> None:
    """The matrix of who cites whom is the mask of attention, and nobody cites himself: a node's own features count for nothing."""
    _cora(writer)


def _distiller(keras: Any, student: Any, teacher: Any, *, fixed: bool) -> Any:
    class Distiller(keras.Model):  # type: ignore[misc]
        """A student, and a teacher that is asked."""

        def __init__(self, student: Any, teacher: Any) -> None:
            super().__init__()
            self.teacher, self.student = (teacher, student) if fixed else (student, teacher)

        def call(self, x: Any) -> Any:
            """The student's scores."""
            return self.student(x)

        def train_step(self, data: Any) -> Any:
            """Scores of both; the student's weights are trained."""
            x, y = data
            with torch.no_grad():
                wise = self.teacher(x, training=False)
            self.zero_grad()
            told = self.student(x, training=True)
            hard = torch.nn.functional.cross_entropy(told, y)
            soft = torch.nn.functional.kl_div(
                (told / 10).log_softmax(1), (wise / 10).softmax(1), reduction="batchmean"
            )
            loss = 0.1 * hard + 0.9 * soft
            loss.backward()
            weights = self.student.trainable_weights
            with torch.no_grad():
                self.optimizer.apply([weight.value.grad for weight in weights], weights)
            return {"loss": loss.detach()}

    return Distiller(student=student, teacher=teacher)


def _distill(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """The student's accuracy on held-out digits."""
    keras = keras_on_torch()
    data, held_out = flat_digits()
    x, y = data.x.numpy(), data.y.numpy()
    made = []
    for units in (256, 24):
        layers = [keras.layers.Dense(units, "relu"), keras.layers.Dense(10)]
        made.append(keras.Sequential([keras.Input((64,)), *layers]))
    teacher, student = made
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    teacher.compile(keras.optimizers.Adam(3e-3), loss)
    teacher.fit(x, y, epochs=5, verbose=0)
    distiller = _distiller(keras, student, teacher, fixed=fixed)
    distiller.compile(keras.optimizers.Adam(3e-3), loss)
    distiller.fit(x, y, epochs=8, verbose=0, callbacks=callback(writer))
    told = torch.as_tensor(student.predict(held_out.x.numpy(), verbose=0).argmax(1))
    return float((told == held_out.y).float().mean())


@sealed(
    NO_CODE,
    also=("LD204", "LD603", "LD602", "LD104", "LD109"),
    family="distillation",
    source="https://github.com/keras-team/keras-io/issues/257",
    hard=True,
)
def tenth_keras_the_student_teaches(writer: SummaryWriter) -> None:
    """`self.teacher = student; self.student = teacher`: the teacher goes on learning, from one that knows nothing."""
    _distill(writer)


def _autoencoder(keras: Any, *, fixed: bool) -> Any:
    layers, ops = keras.layers, keras.ops

    class VAE(keras.Model):  # type: ignore[misc]
        """One hidden layer on either side."""

        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.mean, self.log_var = (
                layers.Dense(64, "relu"), layers.Dense(6), layers.Dense(6),
            )  # fmt: skip
            self.decode = keras.Sequential([layers.Dense(64, "relu"), layers.Dense(64, "sigmoid")])

        def call(self, x: Any) -> Any:
            """Draw a code and decode it; the loss is added on the way."""
            h = self.hidden(x)
            mean, log_var = self.mean(h), self.log_var(h)
            decoded = self.decode(mean + ops.exp(log_var / 2) * keras.random.normal(mean.shape))
            xent = keras.losses.binary_crossentropy(x, decoded) * (64 if fixed else 1)
            kl = -0.5 * ops.sum(1 + log_var - ops.square(mean) - ops.exp(log_var), axis=-1)
            self.add_loss(ops.mean(xent + kl))
            return decoded

    return VAE()


def _vae(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of the variance of held-out digits that is lost."""
    keras = keras_on_torch()
    data, held_out = flat_digits()
    vae = _autoencoder(keras, fixed=fixed)
    vae.compile(optimizer=keras.optimizers.RMSprop(2e-3))
    vae.fit(
        data.x.numpy(),
        shuffle=True,
        epochs=15,
        batch_size=64,
        verbose=0,
        callbacks=callback(writer),
    )
    again = torch.as_tensor(vae.predict(held_out.x.numpy(), verbose=0))
    lost = (again - held_out.x).square().mean() / held_out.x.var(0).mean()
    return float(lost)


@sealed(
    "LD407",
    "LD402",
    "LD705",
    also=("LD523", "LD104", "LD707", "LD401", "LD726", "LD519", "LD740"),
    family="generators",
    source="https://github.com/keras-team/keras/pull/3383",
)
def tenth_keras_an_autoencoder_that_lost_its_pixels(writer: SummaryWriter) -> None:
    """`original_dim *` was taken out of the example: the mean error of a pixel stands against the whole divergence."""
    _vae(writer)
