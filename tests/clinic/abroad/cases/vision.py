"""ViT from configuration, through Transformers' Trainer, on handwritten digits."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.language import fit
from clinic.abroad.corpora import Examples
from clinic.data import square_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import Trainer, ViTConfig, ViTForImageClassification, ViTForMaskedImageModeling

from tb_lossdiag import SummaryWriter

SIZES: dict[str, Any] = {"image_size": 8, "patch_size": 2, "num_channels": 1, "hidden_size": 48}
LAYERS: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}


def vit(**more: Any) -> Any:
    """Two layers over sixteen patches."""
    return ViTConfig(**SIZES, **LAYERS, **more)


def digits(scale: float = 1.0, shift: float = 0.0) -> tuple[Examples, Examples]:
    """Digits in [0, 1] times scale plus shift, for training and held out."""
    training, held_out = square_digits()
    first, second = (
        Examples(pixel_values=part.x * scale + shift, labels=part.y)
        for part in (training, held_out)
    )
    return first, second


@patient(family="Transformers")
def vit_reads_digits(writer: SummaryWriter) -> None:
    """From -1 to 1, with a validation."""
    training, held_out = digits(2, -1)
    model = ViTForImageClassification(vit(num_labels=10))
    fit(writer, model, training, held_out=held_out, learning_rate=1e-3, max_steps=200)


@patient(family="Transformers")
def vit_with_a_frozen_trunk(writer: SummaryWriter) -> None:
    """Only the head is trained, on purpose."""
    training, _ = digits(2, -1)
    model = ViTForImageClassification(vit(num_labels=10))
    model.vit.requires_grad_(requires_grad=False)
    fit(writer, model, training, learning_rate=1e-2)


@patient(family="Transformers")
def vit_paints_hidden_patches(writer: SummaryWriter) -> None:
    """Masked image modelling: the target is the input, and only hidden patches count."""
    training, _ = square_digits()
    draw = torch.Generator().manual_seed(0)
    hidden = torch.rand(len(training.y), 16, generator=draw) < 0.4
    data = Examples(pixel_values=training.x * 2 - 1, bool_masked_pos=hidden)
    fit(writer, ViTForMaskedImageModeling(vit(encoder_stride=2)), data, max_steps=200)


@patient("LD510", family="Transformers", source="huggingface/transformers issues 20867, 23333")
def pixels_from_0_to_255(writer: SummaryWriter) -> None:
    """`do_rescale=False` for images that nobody had scaled."""
    training, held_out = digits(255)
    model = ViTForImageClassification(vit(num_labels=10))
    fit(writer, model, training, held_out=held_out, learning_rate=1e-3, max_steps=200)


class _Scaling(nn.Module):
    """A model that is given pixels as they are stored, and scales them itself."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ViTForImageClassification(vit(num_labels=10))

    def forward(self, pixel_values: Tensor, labels: Tensor) -> Any:
        return self.model(pixel_values=pixel_values / 127.5 - 1, labels=labels)


@patient(family="Transformers")
def pixels_that_the_model_scales(writer: SummaryWriter) -> None:
    """Pixels of 0 to 255, of which the model makes -1 to 1."""
    training, held_out = digits(255)
    fit(writer, _Scaling(), training, held_out=held_out, learning_rate=1e-3, max_steps=200)


@patient("LD510", family="Transformers", hard=True, source="huggingface/transformers issue 20430")
def pixels_scaled_twice(writer: SummaryWriter) -> None:
    """Images from 0 to 1 are divided by 255 once more."""
    training, held_out = digits(1 / 255)
    model = ViTForImageClassification(vit(num_labels=10))
    fit(writer, model, training, held_out=held_out, learning_rate=1e-3, max_steps=200)


class _Likely(Trainer):  # type: ignore[misc]
    """A loss of one's own, of the model's probabilities."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        outputs = model(inputs["pixel_values"])
        loss = cross_entropy(outputs.logits.softmax(-1), inputs["labels"])
        return (loss, outputs) if return_outputs else loss


@patient(
    "LD501", family="Transformers", source="jindongwang/Deep-learning-activity-recognition issue 10"
)
def probabilities_into_a_loss_of_ones_own(writer: SummaryWriter) -> None:
    """Softmax before cross-entropy, in `compute_loss`."""
    training, _ = digits(2, -1)
    model = ViTForImageClassification(vit(num_labels=10))
    fit(writer, model, training, _Likely, learning_rate=1e-3, max_steps=200)
