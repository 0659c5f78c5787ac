"""Under which tags the trainers of mixtures log how their routers share out the tokens, layer by layer; see `styles` for how tags are compared.

OLMo-core (nn/moe/router.py, compute_metrics; `train/block 00/load imbalance`: most over mean), NeMo Automodel (components/moe/load_balance_metrics.py,
detailed mode), prime-rl (trainer/sft/train.py, rl/train.py: `max_vio/mean`), verl (`…/max_vio/layer_0`), Megatron-LM (`moe_router_mbs_max_violation_layer_0`).
What is the largest of all layers is not read: of many layers one is always uneven.
"""

from __future__ import annotations

import re

from tb_lossdiag import quantities as q
from tb_lossdiag.reader.styles import Patterns

_LAYER = r"((?:block|layer)s?[_./]?\d+)"

LOADS: Patterns = {
    q.LOGGED_LOAD: (rf"(?:.*/)?{_LAYER}/(?:router/)?load_imbalance",),
    q.LOGGED_EXCESS: (
        rf"(?:.*/)?max_vio/{_LAYER}",
        rf"(?:.*/)?{_LAYER}/max_vio(?:lation)?",
        rf"(?:.*/)?moe_router_(?:gbs|mbs)_max_violation_{_LAYER}",
        r"(?:.*/)?max_vio/(?:all/)?mean",
        r"(?:.*/)?max_vio/avg",
    ),
    q.LOGGED_IDLE: (
        rf"(?:.*/)?{_LAYER}/(?:router/)?dead_expert_frac(?:tion)?",
        r"(?:.*/)?dead_expert_frac(?:tion)?(?:_mean)?",
    ),
}

TELLING = re.compile("imbalance|max_vio|dead_expert")
"""What every pattern here has in it."""
