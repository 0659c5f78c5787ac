"""How a quantity gets recorded, in the reader's language: `tb_lossdiag.quantities.hints` as sentences of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.text import Text

_OR = "or "
_OTHERWISE = f", {_OR}"
_WAYS = (
    Text("writer.watch(model, optimizer), or pass the model to add_diagnostics after backward()"),
    Text("pass loss= to add_diagnostics"),
    Text("pass loss_terms= to add_diagnostics"),
    Text('call add_diagnostics(loss=…, phase="validation")'),
    Text('writer.add_scalar("train/accuracy", …) or "val/accuracy"'),
    Text("clip with writer.clip_grad_norm_ or pass clip=(total_norm, max_norm)"),
    Text("writer.watch(model, optimizer), or pass optimizer= to add_diagnostics"),
    Text("pass scaler= to writer.watch or add_diagnostics"),
    Text("pass extra= to add_diagnostics"),
    Text("writer.watch(model, optimizer)"),
    Text("writer.watch(model, optimizer) with check_up=True"),
    Text("writer.watch(model, optimizer) with activations=True"),
    Text(
        "writer.watch(model, optimizer) with check_up=True, or `with writer.check_up():` around forward and backward"
    ),
    Text("writer.decompose(terms, at=shared) before backward(), or watch(…, decompose=N)"),
    Text(
        "writer.record_router(layer, counts), or writer.watch(model, optimizer), whose check-ups see a router's topk"
    ),
    Text(
        "nothing to do: kept where a loss leaps or stops being finite while records cover several steps"
    ),
    Text("writer.preflight(model, batch, loss_fn, optimizer)"),
    Text("writer.watch(model, optimizer) with probes=True"),
    Text("writer.watch(model, optimizer) on every rank"),
    Text("writer.watch(model, optimizer) on every rank, and loss= to add_diagnostics there"),
    Text("record with tb_lossdiag.SummaryWriter"),
    Text("log it as TRL, verl or Stable-Baselines3 do, or name your tag with --map"),
    Text("log it as TRL's DPOTrainer does, or name your tag with --map"),
    Text("log it as TRL, verl or torchtitan do, or name your tag with --map"),
    Text(
        "log it layer by layer as OLMo-core, NeMo Automodel or Megatron-LM do, or name your tag with --map"
    ),
    Text(
        "clip with writer.clip_grad_norm_, and writer.watch(model, optimizer), or pass optimizer= to add_diagnostics"
    ),
    Text("clip with writer.clip_grad_norm_, and pass scaler= to writer.watch or add_diagnostics"),
)
KNOWN = frozenset(way.template for way in _WAYS)


def joined(ways: Iterable[str]) -> str:
    """Several ways as one, each once; one that another begins with serves for both.

    >>> joined(["pass loss=", "pass loss=, or log it", "pass loss="])
    'pass loss='
    """
    kept = dict.fromkeys(ways)
    done = {way for way in kept for other in kept if way.startswith(f"{other}{_OTHERWISE}")}
    return "; ".join(way for way in kept if way not in done)


def said(how: str, facts: Mapping[str, str] = MappingProxyType({})) -> Text:
    """One way, or several after each other; the framework's own where the facts of a run name one.

    >>> said("pass loss= to add_diagnostics; writer.watch(model, optimizer)").en
    'pass loss= to add_diagnostics; writer.watch(model, optimizer)'
    """
    first, between, rest = how.partition("; ")
    one = settings.instead(first, facts) or Text(first)
    if not between:
        return one
    if rest.startswith(_OR):
        return Text("{first}; or {rest}").format(first=one, rest=said(rest[len(_OR) :], facts))
    return Text("{first}; {rest}").format(first=one, rest=said(rest, facts))
