"""Which torch functions a check-up looks at, by name."""

from __future__ import annotations

from enum import Enum, auto

from torch.nn import functional


class Kind(Enum):
    """What an observed function does."""

    LOSS = auto()
    BACKWARD = auto()
    SCALE = auto()
    CLAMP = auto()
    ZERO = auto()
    EMPTY_CLIP = auto()
    UNSCALE = auto()
    ACTIVATION = auto()
    ATTENTION = auto()
    ROUTER = auto()
    PLAIN = auto()


def _losses() -> dict[str, Kind]:
    """Loss functions of `torch.nn.functional` by name."""
    names = (name for name in vars(functional) if not name.startswith("_"))
    others = {"kl_div", "triplet_margin_with_distance_loss"}
    return dict.fromkeys(
        (
            name
            for name in names
            if name.endswith("_loss") or "cross_entropy" in name or name in others
        ),
        Kind.LOSS,
    )


_IN_PLACE = {
    Kind.SCALE: "mul_ div_ __imul__ __itruediv__ multiply_ divide_ _foreach_mul_ _foreach_div_",
    Kind.CLAMP: "clamp_ clip_ clamp_min_ clamp_max_ _foreach_clamp_min_ _foreach_clamp_max_ "
    "_foreach_minimum_ _foreach_maximum_",
    Kind.ZERO: "zero_ _foreach_zero_",
    Kind.UNSCALE: "_amp_foreach_non_finite_check_and_unscale_",
}
_ACTIVATIONS = (
    "relu relu_ relu6 tanh tanh_ sigmoid sigmoid_ hardtanh hardsigmoid softsign gelu silu leaky_relu elu selu mish softplus "
    "hardswish celu softmax log_softmax"
)
_SPELLINGS = {
    "sub": "sub subtract sub_ __isub__",
    "rsub": "rsub __rsub__",
    "add": "add add_ __iadd__ __add__ __radd__",
    "mul": "mul multiply __mul__ __rmul__",
    "div": "div divide true_divide __truediv__",
    "neg": "neg negative __neg__",
    "pow": "pow square __pow__ float_power",
    "abs": "abs absolute __abs__",
    "log": "log",
    "log1p": "log1p",
    "exp": "exp",
    "clamp": "clamp clip clamp_min clamp_max",
    "mean": "mean",
    "sum": "sum",
    "logsumexp": "logsumexp",
    "log_softmax": "log_softmax",
    "log_sigmoid": "log_sigmoid logsigmoid",
    "softplus": "softplus",
    "relu": "relu",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
    "gather": "gather take_along_dim",
    "pick": "__getitem__",
    "where": "where",
    "view": "view reshape flatten squeeze unsqueeze permute transpose contiguous float double to type "
    "type_as bfloat16 half",
    "sqrt": "sqrt",
    "norm": "norm vector_norm linalg_vector_norm linalg_norm",
    "cosh": "cosh",
    "min": "min minimum",
    "max": "max maximum",
    "topk": "topk",
    "product": "einsum bmm matmul mm __matmul__ __rmatmul__",
    "select": "masked_select",
    "fill": "masked_fill",
    "diagonal": "diag diagonal",
    "distance": "pairwise_distance",
    "cosine": "cosine_similarity",
}
PLAIN = {spelling: name for name, all_ in _SPELLINGS.items() for spelling in all_.split()}
"""Operations that a loss may be written with, by all their spellings."""
KINDS: dict[str, Kind] = {
    **dict.fromkeys(PLAIN, Kind.PLAIN),
    **dict.fromkeys(_ACTIVATIONS.split(), Kind.ACTIVATION),
    **{name: kind for kind, names in _IN_PLACE.items() for name in names.split()},
    **_losses(),
    "scaled_dot_product_attention": Kind.ATTENTION,
    "topk": Kind.ROUTER,
    "backward": Kind.BACKWARD,
    "tensor": Kind.EMPTY_CLIP,  # the 0 that torch's clip makes itself, where it is given nothing
}
