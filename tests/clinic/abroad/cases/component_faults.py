"""The transformers of `components`, each with one component at fault: scores, masks, projections, softmax, heads, norms, positions, …

The kinds are those by which transformer faults have been sorted (DEFault++, arXiv 2604.28118: 12 kinds, 45 mechanisms); the programs are
our own.
"""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.cases.components import DIM, HEADS, PAD, Layer, Mixer, Stack, sort, speak
from clinic.case import NO_CODE
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from tb_lossdiag import SummaryWriter

SOURCE = "arXiv 2604.28118"


def _with(mixer: type[Mixer]) -> type[Stack]:
    """A stack whose attention is this one."""
    made = type("Layer", (Layer,), {"mixer": mixer})
    return type("Stack", (Stack,), {"layer": made})


def _of(layer: type[Layer]) -> type[Stack]:
    """A stack of these layers."""
    return type("Stack", (Stack,), {"layer": layer})


@patient("LD725", "LD710", "LD711", family="components", source=SOURCE)
def scores_are_not_scaled(writer: SummaryWriter) -> None:
    """Queries of size 1 a number and heads of 64: scores begin at ± 8, and nobody divides them."""

    class Unscaled(Mixer):
        def score(self, q: Tensor, k: Tensor) -> Tensor:
            return 64 * super().score(q, k)

    speak(writer, _with(Unscaled)())


@patient("LD716", family="components", source=SOURCE)
def masked_scores_are_0(writer: SummaryWriter) -> None:
    """What is to be hidden is multiplied by 0, and `softmax` makes a weight of each 0."""

    class Zeroed(Mixer):
        def hide(self, scores: Tensor, _: Tensor | None) -> Tensor:
            return scores * torch.ones(scores.shape[-2:]).tril()

    speak(writer, _with(Zeroed)())


@patient("LD716", family="components", source=SOURCE)
def the_mask_comes_after_the_softmax(writer: SummaryWriter) -> None:
    """Weights of later places are set to 0 when the sum has been divided by."""

    class Late(Mixer):
        def hide(self, scores: Tensor, _: Tensor | None) -> Tensor:
            return scores

        def weigh(self, scores: Tensor) -> Tensor:
            return scores.softmax(-1) * torch.ones(scores.shape[-2:]).tril()

    speak(writer, _with(Late)())


@patient("LD716", family="components", source=SOURCE)
def the_mask_lets_one_more_through(writer: SummaryWriter) -> None:
    """`triu(2)`: each place sees the next one, which is the answer."""

    class Wide(Mixer):
        def hide(self, scores: Tensor, _: Tensor | None) -> Tensor:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(2)
            return scores.masked_fill(later, float("-inf"))

    speak(writer, _with(Wide)())


@patient(NO_CODE, "LD516", "LD104", "LD711", family="components", source=SOURCE)
def the_padding_mask_is_turned(writer: SummaryWriter) -> None:
    """`~` is forgotten: padding is looked at, and nothing else."""

    class Turned(Mixer):
        def hide(self, scores: Tensor, real: Tensor | None) -> Tensor:
            assert real is not None
            return scores.masked_fill(real[:, None, None], -1e9)

    sort(writer, _with(Turned)(causal=False))


@patient("LD204", "LD208", "LD726", family="components", source=SOURCE)
def weights_of_attention_are_detached(writer: SummaryWriter) -> None:
    """`weights.detach()`, left from looking at them: queries and keys learn nothing."""

    class Cut(Mixer):
        def weigh(self, scores: Tensor) -> Tensor:
            return super().weigh(scores).detach()

    speak(writer, _with(Cut)())


@patient("LD205", "LD722", "LD726", "LD204", "LD104", family="components", source=SOURCE)
def projections_begin_at_0(writer: SummaryWriter) -> None:
    """Queries, keys, values and what merges them begin at 0: no gradient finds a way between them."""

    class Model(Stack):
        def begin(self) -> None:
            super().begin()
            for layer in self.layers:
                assert isinstance(layer, Layer)
                nn.init.zeros_(layer.attend.qkv.weight)
                nn.init.zeros_(layer.attend.merge.weight)

    speak(writer, Model())


@patient("LD716", NO_CODE, family="components", source=SOURCE)
def a_softmax_over_the_heads(writer: SummaryWriter) -> None:
    """`dim=1`: heads share a place between them, and a place's weights sum to anything."""

    class Wrong(Mixer):
        def weigh(self, scores: Tensor) -> Tensor:
            return scores.clamp(min=-1e4).softmax(dim=1)

    speak(writer, _with(Wrong)())


@patient(NO_CODE, "LD711", "LD501", family="components", source=SOURCE)
def a_softmax_of_a_softmax(writer: SummaryWriter) -> None:
    """Weights are taken through `softmax` twice, the second time all but even."""

    class Twice(Mixer):
        def weigh(self, scores: Tensor) -> Tensor:
            return scores.softmax(-1).softmax(-1)

    sort(writer, _with(Twice)(causal=False))


@patient(NO_CODE, "LD704", "LD710", "LD202", family="components", source=SOURCE)
def no_softmax_at_all(writer: SummaryWriter) -> None:
    """Scores are the weights; what is hidden is 0."""

    class Raw(Mixer):
        def weigh(self, scores: Tensor) -> Tensor:
            return scores.masked_fill(scores == float("-inf"), 0.0)

    speak(writer, _with(Raw)())


@patient("LD720", "LD716", "LD718", family="components", source=SOURCE)
def heads_are_cut_across_places(writer: SummaryWriter) -> None:
    """`view(batch, heads, time, size)` of [batch, time, width]: a head holds other places' numbers."""

    class Cut(Mixer):
        def heads(self, x: Tensor) -> tuple[Tensor, ...]:
            parts = self.qkv(x).chunk(3, -1)
            return tuple(p.reshape(len(x), HEADS, x.shape[1], -1) for p in parts)

    speak(writer, _with(Cut)())


@patient("LD716", "LD720", family="components", source=SOURCE)
def heads_are_merged_without_being_turned_back(writer: SummaryWriter) -> None:
    """[batch, head, place, size] is reshaped to [batch, place, width] as it lies."""

    class Mixed(Mixer):
        def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
            q, k, v = self.heads(x)
            weights = self.weigh(self.hide(self.score(q, k), real))
            return self.merge((weights @ v).reshape(x.shape))  # type: ignore[no-any-return]

    speak(writer, _with(Mixed)())


@patient("LD201", "LD723", "LD705", "LD707", family="components", source=SOURCE)
def nothing_goes_past_attention(writer: SummaryWriter) -> None:
    """`x = attend(norm(x))`: what attention does not pass on is lost, in each of eight layers."""

    class Lost(Layer):
        def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
            x = self.attend(self.norm_a(x), real)
            return x + self.think(self.norm_b(x))

    class Model(Stack):
        layer, depth = Lost, 8

    speak(writer, Model())


@patient("LD204", "LD201", "LD603", NO_CODE, family="components", source=SOURCE)
def what_goes_past_is_detached(writer: SummaryWriter) -> None:
    """`x.detach() + …`: the gradient goes through the halves alone."""

    class Cut(Layer):
        def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
            x = x.detach() + self.attend(self.norm_a(x), real)
            return x.detach() + self.think(self.norm_b(x))

    speak(writer, _of(Cut)())


@patient("LD716", "LD718", family="components", source=SOURCE)
def a_norm_over_places(writer: SummaryWriter) -> None:
    """`LayerNorm(24)` of the transposed tensor: each feature is normalised over the whole row, what comes later included."""

    class OverTime(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.LayerNorm(24)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]

    class Wrong(Layer):
        def norms(self) -> tuple[nn.Module, nn.Module]:
            return OverTime(), nn.LayerNorm(DIM)

    speak(writer, _of(Wrong)())


@patient("LD718", "LD716", family="components", source=SOURCE)
def a_norm_over_everything(writer: SummaryWriter) -> None:
    """`(x - x.mean()) / x.std()` without `dim`: over batch and places as well."""

    class All(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x - x.mean()) / (x.std() + 1e-5)

    class Wrong(Layer):
        def norms(self) -> tuple[nn.Module, nn.Module]:
            return All(), All()

    sort(writer, _of(Wrong)(causal=False))


@patient("LD708", family="components", source=SOURCE)
def a_network_of_two_matrices(writer: SummaryWriter) -> None:
    """No activation stands between the two linear layers."""

    class Flat(Layer):
        def think(self, x: Tensor) -> Tensor:
            return self.shrink(self.expand(x))  # type: ignore[no-any-return]

    speak(writer, _of(Flat)())


@patient("LD724", family="components", source=SOURCE)
def a_row_without_places(writer: SummaryWriter) -> None:
    """Positions are looked up and not added: a mark and what stands behind it cannot be told from any order."""

    class Model(Stack):
        def come_in(self, tokens: Tensor) -> Tensor:
            self.where(torch.arange(tokens.shape[1]))
            return self.embed(tokens)  # type: ignore[no-any-return]

    sort(writer, Model(causal=False))


@patient("LD724", "LD729", family="components", source=SOURCE)
def all_places_are_the_first(writer: SummaryWriter) -> None:
    """`torch.zeros_like(tokens)` where positions should be counted."""

    class Model(Stack):
        def come_in(self, tokens: Tensor) -> Tensor:
            return self.embed(tokens) + self.where(torch.zeros_like(tokens))  # type: ignore[no-any-return]

    sort(writer, Model(causal=False))


@patient("LD510", "LD517", "LD704", "LD725", NO_CODE, family="components", source=SOURCE)
def places_drown_the_symbols(writer: SummaryWriter) -> None:
    """Position numbers are added as they are, 0 to 23, to embeddings of size 0.2."""

    class Model(Stack):
        def come_in(self, tokens: Tensor) -> Tensor:
            return self.embed(tokens) + torch.arange(tokens.shape[1])[:, None]  # type: ignore[no-any-return]

    speak(writer, Model())


@patient("LD106", "LD520", family="components", source=SOURCE)
def a_tied_head_of_the_usual_embedding(writer: SummaryWriter) -> None:
    """The head is the embedding, which begins at N(0, 1): first scores are ± 8."""

    class Model(Stack):
        def begin(self) -> None:
            self.head.weight = self.embed.weight

    speak(writer, Model())


@patient("LD719", family="components", source=SOURCE)
def dropout_that_never_ends(writer: SummaryWriter) -> None:
    """`F.dropout(x, 0.3)` without `training=`: it goes on in validation."""

    class Noisy(Layer):
        def think(self, x: Tensor) -> Tensor:
            return F.dropout(super().think(x), 0.3)

    sort(writer, _of(Noisy)(causal=False))


@patient("LD514", family="components", source=SOURCE)
def the_symbol_itself_is_wanted(writer: SummaryWriter) -> None:
    """The target is not shifted: what is asked for stands in the question."""
    speak(writer, Stack(), ahead=0)


@patient("LD517", family="components", source=SOURCE)
def half_the_symbols_are_one(writer: SummaryWriter) -> None:
    """The table is too short, and numbers are clamped to it."""

    class Model(Stack):
        def come_in(self, tokens: Tensor) -> Tensor:
            return super().come_in(tokens.clamp(max=12))

    speak(writer, Model())


@patient("LD725", "LD710", "LD711", "LD106", "LD704", family="components", source=SOURCE)
def all_matrices_begin_at_1(writer: SummaryWriter) -> None:
    """`normal_(std=1)` for everything of two dimensions."""

    class Model(Stack):
        def begin(self) -> None:
            for weight in self.parameters():
                if weight.dim() > 1:
                    nn.init.normal_(weight)

    speak(writer, Model())


@patient("LD726", "LD721", NO_CODE, family="components", source=SOURCE)
def three_heads_of_four_say_nothing(writer: SummaryWriter) -> None:
    """The loop over heads keeps the first one's output: the others' numbers stay 0."""

    class First(Mixer):
        def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
            q, k, v = self.heads(x)
            weights = self.weigh(self.hide(self.score(q, k), real))
            out = torch.zeros_like(v)
            out[:, 0] = (weights @ v)[:, 0]
            return self.merge(out.transpose(1, 2).reshape(x.shape))  # type: ignore[no-any-return]

    speak(writer, _with(First)())


@patient("LD205", "LD204", "LD726", "LD701", family="components", source=SOURCE)
def a_network_that_cannot_speak(writer: SummaryWriter) -> None:
    """The activation stands behind the second matrix as well, with a bias of -3: nothing is ever added."""

    class Dead(Layer):
        def __init__(self, *, causal: bool) -> None:
            super().__init__(causal=causal)
            nn.init.constant_(self.shrink.bias, -3.0)

        def think(self, x: Tensor) -> Tensor:
            return F.relu(super().think(x))

    speak(writer, _of(Dead)())


@patient("LD516", "LD724", NO_CODE, hard=True, family="components", source=SOURCE)
def padding_is_part_of_the_mean(writer: SummaryWriter) -> None:
    """A row's vector is the mean of all its places, padding included, and nothing is masked."""

    class Model(Stack):
        def real(self, tokens: Tensor) -> Tensor | None:
            return torch.ones_like(tokens, dtype=torch.bool)

    assert PAD == 0
    sort(writer, Model(causal=False))
