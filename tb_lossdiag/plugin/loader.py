"""What TensorBoard imports at every start. Nothing here may raise: that would take TensorBoard down for everyone."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from tensorboard.plugins import base_plugin

logger = logging.getLogger(__name__)

MEMORY = 512
"""Megabytes of runs and answers that are kept, unless `--lossdiag_memory` says else."""


class LossDoctorLoader(base_plugin.TBLoader):  # type: ignore[misc]
    """Makes TensorBoard keep every record, and loads the plugin."""

    def define_flags(self, parser: argparse.ArgumentParser) -> None:
        """One flag: the memory for what was read."""
        try:
            group = parser.add_argument_group("Loss Doctor")
            group.add_argument(
                "--lossdiag_memory",
                metavar="MB",
                type=int,
                default=MEMORY,
                help="Megabytes of runs and answers that Loss Doctor keeps; what nobody has looked at the longest is read again when "
                "somebody does. (default: %(default)s)",
            )
        except Exception as error:  # noqa: BLE001  (see the module's first line)
            logger.warning("Loss Doctor could not define its flag: %s", error)

    def fix_flags(self, flags: Any) -> None:
        """Ask for all samples: TensorBoard would keep 10 or 100 random ones. A user's own setting wins."""
        try:
            flags.samples_per_plugin.setdefault("lossdiag", 0)
        except Exception as error:  # noqa: BLE001  (see the module's first line)
            logger.warning("Loss Doctor could not ask TensorBoard to keep all records: %s", error)

    def load(self, context: Any) -> Any:
        """The plugin; TensorBoard itself survives an error here."""
        from tb_lossdiag.plugin.plugin import LossDoctorPlugin  # noqa: PLC0415

        return LossDoctorPlugin(context)
