"""The names of all runs, asked of a provider that may fail at one of them."""

from __future__ import annotations

import logging
from typing import Any

from tb_lossdiag.visible import visible

logger = logging.getLogger(__name__)


def run_names(provider: Any, context: Any, experiment_id: str) -> set[str]:
    """TensorBoard's runs; none where it fails at one of them: those with records of ours stand without them.

    Args:
        provider: a `tensorboard.data.provider.DataProvider`.
        context: of the request.
        experiment_id: TensorBoard's.
    """
    try:
        return {run.run_name for run in provider.list_runs(context, experiment_id=experiment_id)}
    except Exception as error:  # noqa: BLE001  (a provider may be anything)
        logger.warning("Loss Doctor could not list TensorBoard's runs: %s", visible(str(error)))
        return set()
