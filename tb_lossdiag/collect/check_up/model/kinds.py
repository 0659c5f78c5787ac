"""What modules and activation functions do."""

from __future__ import annotations

from torch import nn

from tb_lossdiag.quantities import Kind

_MODULES: tuple[tuple[Kind, tuple[type[nn.Module], ...]], ...] = (
    (Kind.LINEAR, (nn.Linear, nn.Bilinear)),
    (Kind.CONVOLUTION, (nn.modules.conv._ConvNd,)),  # noqa: SLF001  (the common base of all of them)
    (
        Kind.NORMALISATION,
        (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm),  # noqa: SLF001
    ),
    (Kind.DROPOUT, (nn.modules.dropout._DropoutNd, nn.AlphaDropout, nn.FeatureAlphaDropout)),  # noqa: SLF001
    (Kind.RELU, (nn.ReLU, nn.ReLU6)),
    (Kind.SATURATING, (nn.Tanh, nn.Sigmoid, nn.Hardtanh, nn.Hardsigmoid, nn.Softsign)),
    (
        Kind.SMOOTH,
        (
            nn.GELU,
            nn.SiLU,
            nn.LeakyReLU,
            nn.ELU,
            nn.SELU,
            nn.CELU,
            nn.Mish,
            nn.Softplus,
            nn.Hardswish,
            nn.PReLU,
            nn.RReLU,
        ),
    ),
    (Kind.SOFTMAX, (nn.Softmax, nn.LogSoftmax, nn.Softmax2d, nn.Softmin)),
    (Kind.RECURRENT, (nn.RNNBase, nn.RNNCellBase)),
    (Kind.ATTENTION, (nn.MultiheadAttention,)),
    (Kind.EMBEDDING, (nn.Embedding, nn.EmbeddingBag)),
    (
        Kind.POOLING,
        (
            nn.modules.pooling._AvgPoolNd,  # noqa: SLF001
            nn.modules.pooling._MaxPoolNd,  # noqa: SLF001
            nn.modules.pooling._AdaptiveAvgPoolNd,  # noqa: SLF001
            nn.modules.pooling._AdaptiveMaxPoolNd,  # noqa: SLF001
            nn.modules.pooling._LPPoolNd,  # noqa: SLF001
        ),
    ),
    (Kind.RESHAPE, (nn.Identity, nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.ZeroPad2d)),
)

_FUNCTIONS = {
    **dict.fromkeys(("relu", "relu6"), Kind.RELU),
    **dict.fromkeys(("tanh", "sigmoid", "hardtanh", "hardsigmoid", "softsign"), Kind.SATURATING),
    **dict.fromkeys(("softmax", "log_softmax"), Kind.SOFTMAX),
}
ACTIVATIONS = frozenset({Kind.RELU, Kind.SATURATING, Kind.SMOOTH, Kind.SOFTMAX})

_RANGES: dict[str, tuple[float, float]] = {
    "tanh": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "softsign": (-1.0, 1.0),
}


def module_kind(module: nn.Module) -> Kind:
    """What a module does, by its class."""
    # RReLU and ReLU6 derive from others; the first match in the table's order decides, ReLU6 before Hardtanh.
    return next((kind for kind, classes in _MODULES if isinstance(module, classes)), Kind.OTHER)


def function_kind(name: str) -> Kind:
    """What an activation function does, by its name in `torch.nn.functional`."""
    return _FUNCTIONS.get(name, Kind.SMOOTH)


def module_range(module: nn.Module) -> tuple[float, float] | None:
    """The ends of what a saturating module can return."""
    if isinstance(module, nn.Hardtanh):
        return float(module.min_val), float(module.max_val)
    return function_range(type(module).__name__.lower())


def function_range(name: str) -> tuple[float, float] | None:
    """The ends of what a saturating function can return; None where its arguments decide."""
    return _RANGES.get(name)


def cares_about_mode(module: nn.Module) -> bool:
    """Whether train() and eval() make a difference: active dropout, or a normalisation with running statistics."""
    if isinstance(module, nn.modules.batchnorm._NormBase):  # noqa: SLF001
        return bool(module.track_running_stats)
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1
    if isinstance(module, nn.MultiheadAttention):
        return bool(module.dropout > 0)
    if not _drops(module):
        return False
    rate = getattr(module, "p", getattr(module, "drop_prob", None))
    return isinstance(rate, float | int) and rate > 0


def draws_in_eval(root: nn.Module) -> bool:
    """Whether, of a model in eval(), modules of dropout alone were put back into train(), as for draws of its answers.

    eval() and train() reach everything below, so somebody asked for these one by one.
    """
    awake = [module for module in root.modules() if module.training]
    return bool(awake) and not root.training and all(_drops(module) for module in awake)


def _drops(module: nn.Module) -> bool:
    return "drop" in type(module).__name__.lower()


def is_leaf(module: nn.Module) -> bool:
    """Whether it holds no other module that takes part in the forward pass."""
    if isinstance(module, nn.MultiheadAttention):
        # Its output projection is used without being called.
        return True
    return all(name == "parametrizations" for name, _ in module.named_children())
