"""Inside a forward pass: scores of attention, choices of routers, the size of output logits, casts to 8 bits; one record per check-up, never combined.

Columns of attention and routers are called as `ATTENTION_FOCUS` says: the module in which the function was called, and the function.
"""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


def _of(name: str, frame: str, axis: Axis, unit: str, how: str) -> Quantity:
    return Quantity(name, frame, axis, unit, how, optional=True)


ATTENTION_SCORE = _of("attention_score", "module_scores", Axis.MODULE, "1", hints.ACTIVATIONS)
"""Largest absolute score that the softmax of attention was given, of some queries; places that are masked left out."""
ATTENTION_ENTROPY = _of("attention_entropy", "module_scores", Axis.MODULE, "1", hints.ACTIVATIONS)
"""Entropy of attention's weights over that of equal ones, mean over queries; the first place left out, since many heads rest there."""

ADDED_SHARE = _of("added_share", "additions", Axis.MODULE, "1", hints.ACTIVATIONS)
"""Norm of a module's output over that of what it is added to, as it is; its first addition. Of two modules' outputs each has its own."""

ROUTER_EXPERTS = _of("router_experts", "router", Axis.MODULE, "experts", hints.ROUTER)
"""Experts that a router chooses among. A column is "<module that it was called in>.topk()", or the name given to `record_router`."""
ROUTER_PER_EXPERT = _of("router_per_expert", "router", Axis.MODULE, "tokens", hints.ROUTER)
"""Tokens that an expert would get if all got the same."""
ROUTER_MOST = _of("router_most", "router", Axis.MODULE, "1", hints.ROUTER)
"""Tokens of the busiest expert, over what it would get if all got the same."""
ROUTER_IDLE = _of("router_idle", "router", Axis.MODULE, "1", hints.ROUTER)
"""Share of the experts that get less than a hundredth of that."""
ROUTER_ENTROPY = _of("router_entropy", "router", Axis.MODULE, "1", hints.ROUTER)
"""Entropy of the experts' shares of the tokens over that of equal ones."""

LOGGED_LOAD = _of("logged_load", "logged_load", Axis.MODULE, "1", hints.ROUTER_LOG)
"""What a log says of it: tokens of a layer's busiest expert, over what it would get if all got the same. A column is called as its layer, "" for their mean."""
LOGGED_EXCESS = _of("logged_excess", "logged_excess", Axis.MODULE, "1", hints.ROUTER_LOG)
"""The same less 1 (MaxVio)."""
LOGGED_IDLE = _of("logged_idle", "logged_idle", Axis.MODULE, "1", hints.ROUTER_LOG)
"""Share of the experts that got no token."""

CALL_LOG_NORM = _of("call_log_norm", "call_norm", Axis.CALL, "nats", hints.CALL)
"""Mean logarithm of the sum of a row's exponentials: what is taken from every logit to make log-probabilities of them."""
CALL_LOG_NORM_SIZE = _of("call_log_norm_size", "call_norm", Axis.CALL, "nats", hints.CALL)
"""Its root mean square over rows; of the square a z-loss is made."""

FP8_MARGIN = 1.15
"""A scale that is a power of two, as block formats have it (Open Compute Project, MX 1.0, section 6.3), may leave the largest number at 512 / 448 of
the limit, which is 1.143."""
FP8_LIMIT = _of("fp8_limit", "casts", Axis.MODULE, "1", hints.CHECK_UP)
"""The largest number of the 8-bit format that something is cast to. A column is "<module that it was called in>.to()", a second one there has 2 behind it."""
FP8_CLIPPED = _of("fp8_clipped", "casts", Axis.MODULE, "1", hints.CHECK_UP)
"""Share of the elements that are beyond `FP8_MARGIN` of it, where they are clamped to it or, without a clamp, cast."""
FP8_FLUSHED = _of("fp8_flushed", "casts", Axis.MODULE, "1", hints.CHECK_UP)
"""Share of the sum of absolute values that the cast makes 0."""
FP8_BROKEN = _of("fp8_broken", "casts", Axis.MODULE, "1", hints.CHECK_UP)
"""1 if the cast makes the largest number NaN or infinite."""
