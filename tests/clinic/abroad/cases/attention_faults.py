"""The transformers of `attention`, each with one fault inside."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.cases.attention import Decoder, Plan, learn, see
from clinic.case import NO_CODE
from torch import Tensor, nn

from tb_lossdiag import SummaryWriter


@patient("LD716", family="attention", source="InseeFrLab/torchTextClassifiers PR 92")
def a_mask_the_wrong_way_round(writer: SummaryWriter) -> None:
    """Each place sees what comes, and nothing of what was."""
    learn(writer, Decoder(Plan(inverted=True)))


@patient(
    "LD716",
    NO_CODE,
    family="attention",
    source="PetrochukM/PyTorch-NLP issue 2, labmlai/annotated_deep_learning_paper_implementations issue 146",
)
def a_softmax_over_the_queries(writer: SummaryWriter) -> None:
    """Weights sum to 1 over those who ask, not over what they ask for."""
    learn(writer, Decoder(Plan(over=-2)))


@patient(
    "LD720",
    "LD716",
    "LD718",
    family="attention",
    source="reczoo/FuxiCTR issue 30, hyunwoongko/transformer issue 15",
)
def heads_viewed_and_not_transposed(writer: SummaryWriter) -> None:
    """A view cuts each head out of other tokens' numbers."""
    learn(writer, Decoder(Plan(viewed=True)), steps=520)


@patient(
    "LD201",
    "LD723",
    "LD705",
    "LD707",
    family="attention",
    source="kyegomez/BitNet issue 32, lucidrains/audiolm-pytorch PR 265",
)
def eight_layers_without_their_residuals(writer: SummaryWriter) -> None:
    """What a block makes replaces what it was given."""
    learn(writer, Decoder(Plan(layers=8, residual=False)))


@patient("LD724", "LD204", family="attention", source="Lightning-AI/pytorch-lightning PR 20099")
def places_made_and_never_added(writer: SummaryWriter) -> None:
    """Positions are made and forgotten."""
    see(writer, Plan(causal=False, positions=False))


@patient(
    "LD725",
    family="attention",
    hard=True,
    source="PAIR-code/tiny-transformers issue 71, mlc-ai/mlc-llm PR 3426",
)
def scores_multiplied_by_the_root(writer: SummaryWriter) -> None:
    """Multiplied where they should be divided."""
    learn(writer, Decoder(Plan(scale=1 / 12)))


@patient("LD721", family="attention", source="TensorFlow 2 migration guide: keep_prob became rate")
def what_is_kept_is_dropped(writer: SummaryWriter) -> None:
    """0.9 is what should have been kept."""
    learn(writer, Decoder(Plan(dropout=0.9)))


@patient("LD204", "LD208", "LD603", family="attention", source="RUCAIBox/RecBole issue 2027")
def an_embedding_under_no_grad(writer: SummaryWriter) -> None:
    """The embedding is looked up without gradients."""

    class Frozen(Decoder):
        def embedded(self, tokens: Tensor) -> Tensor:
            with torch.no_grad():
                return super().embedded(tokens)

    learn(writer, Frozen(Plan()))


@patient(
    "LD603",
    "LD604",
    family="attention",
    source="NVIDIA-NeMo/Automodel PR 2511, huggingface/transformers issue 31467",
)
def a_head_made_after_the_optimizer(writer: SummaryWriter) -> None:
    """The head is resized when the optimizer holds the old one already."""
    model = Decoder(Plan())
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    model.head = nn.Linear(48, 48, bias=False)
    learn(writer, model, optimizer=optimizer)


@patient(
    "LD602",
    "LD109",
    "LD104",
    family="attention",
    source="jadore801120/attention-is-all-you-need-pytorch issue 101",
)
def descent_at_the_rate_of_adam(writer: SummaryWriter) -> None:
    """Plain descent with a rate made for Adam: nothing moves."""
    model = Decoder(Plan())
    learn(writer, model, optimizer=torch.optim.SGD(model.parameters(), 3e-4))


@patient(
    "LD609",
    "LD412",
    family="attention",
    source="Lightning-AI/lit-llama issue 254, autonomousvision/plant issue 3",
)
def a_decay_that_eats_the_weights(writer: SummaryWriter) -> None:
    """A decay of 30 on everything, norms and embeddings as well."""
    model = Decoder(Plan())
    learn(writer, model, optimizer=torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=30))


@patient(
    NO_CODE,
    "LD104",
    "LD201",
    family="attention",
    hard=True,
    source="arXiv 1607.06450 (epsilon only avoids 0)",
)
def an_epsilon_of_a_thousand(writer: SummaryWriter) -> None:
    """The normalisation divides by 30, whatever comes."""
    see(writer, Plan(causal=False, eps=1000.0))


@patient("LD514", family="attention", source="huggingface/transformers issue 32944")
def the_token_itself_is_asked_for(writer: SummaryWriter) -> None:
    """The targets were not shifted."""

    learn(writer, Decoder(Plan()), ahead=0)


@patient("LD104", "LD705", "LD523", family="attention", source="aidotse/LeakPro issue 315")
def the_labels_of_another_order(writer: SummaryWriter) -> None:
    """Images were shuffled and their labels were not."""
    see(writer, Plan(causal=False), mixed=True)
