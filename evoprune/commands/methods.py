"""The methods of `evoprune run`: what each is told, what it does, and how it reports."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evoprune.commands.emofp import add_emofp
from evoprune.commands.microbial import add_microbial
from evoprune.commands.transfer import add_transfer
from evoprune.methods.emofp import emofp
from evoprune.methods.emofp_settings import Emofp
from evoprune.methods.hierarchical import hierarchical
from evoprune.methods.microbial_ga import microbial_ga
from evoprune.methods.microbial_settings import MicrobialConfig
from evoprune.methods.transfer import transfer
from evoprune.running.config import Config, Settings
from evoprune.running.problem import prepare
from evoprune.running.transfer_settings import Transfer
from evoprune.running.transferring import prepare_transfer
from evoprune.studies import (
    exporting,
    filter_report,
    kept_masks,
    microbial_report,
    transfer_exporting,
    transfer_report,
)
from evoprune.studies.controls import borrowed_baselines
from evoprune.studies.report import report, table


@dataclass(frozen=True)
class Method:
    """A method as the command knows it.

    Args:
        summary: what it is, in one line.
        settings: all that it can be told.
        run: from the problem, the settings, the driver and `parts` to its outcome.
        report: from the outcome, the problem, the settings, the driver and the folder to the table
            that is printed; it fills the folder.
        table: from summary.json to the same table.
        add: declares its own options.
        check: refuses settings before any work that need a look at files.
        prepare: builds the task from settings, streams and weights that an earlier start trained.
        export: writes the network of a row of front.csv, as `studies.exporting.export_row` does.
        sized: adds to rows of front.csv what share of MACs and parameters each network has.
    """

    summary: str
    settings: type[Settings]
    run: Callable[..., Any]
    report: Callable[..., str]
    table: Callable[[Mapping[str, Any]], str]
    add: Callable[[argparse.ArgumentParser], None]
    check: Callable[[Any], object] = lambda config: None
    prepare: Callable[..., Any] = prepare
    export: Callable[..., dict[str, Any]] = exporting.export_row
    sized: Callable[..., list[dict[str, Any]]] = kept_masks.sized


def add_hierarchical(command: argparse.ArgumentParser) -> None:
    """Declare the options of the two-phase method."""
    default, add = Config(), command.add_argument
    add("--algorithm", default=default.algorithm, help="of phase 2: nsga2 or moead")
    add(
        "--generations",
        type=int,
        nargs="+",
        default=list(default.generations),
        help="one number for each phase, or one for both (default: 12 12)",
    )
    add("--no-guidance", dest="guided", action="store_false", help="leave the drift out")
    add(
        "--no-adaptation",
        dest="adaptive",
        action="store_false",
        help="draw operators evenly and rates as they are",
    )
    add(
        "--descent",
        type=float,
        default=default.descent,
        help="with --passes: share of phase 2's that drifts the first masks (default: %(default)s)",
    )
    add(
        "--size",
        default=default.size,
        help="what is minimised beside the measure: density, macs, params or latency "
        "(default: %(default)s)",
    )
    add("--baselines-from", metavar="RUN", help="take the baselines that this run measured")


def check_hierarchical(config: Config) -> None:
    """Refuse baselines that are not there, or of another network."""
    if config.baselines_from:
        borrowed_baselines(config)


METHODS: dict[str, Method] = {
    "hierarchical": Method(
        "layer thresholds, then importance-guided masks in a corridor",
        Config,
        hierarchical,
        report,
        table,
        add_hierarchical,
        check_hierarchical,
    ),
    "emofp": Method(
        "which filters to keep, by NSGA-II; a few networks of the front are fine-tuned",
        Emofp,
        emofp,
        filter_report.report,
        filter_report.table,
        add_emofp,
    ),
    "microbial-ga": Method(
        "filters and single weights removed by a microbial GA that retrains its elite",
        MicrobialConfig,
        microbial_ga,
        microbial_report.report,
        microbial_report.table,
        add_microbial,
    ),
    "transfer": Method(
        "which features the head on a frozen backbone needs: error, size, robustness",
        Transfer,
        transfer,
        transfer_report.report,
        transfer_report.table,
        add_transfer,
        prepare=prepare_transfer,
        export=transfer_exporting.export_row,
        sized=transfer_exporting.sized,
    ),
}
