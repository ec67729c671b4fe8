"""The end of a transfer: the test images are opened once, ensembles are made, all is written down.

Fills the run folder with front.csv, baselines.csv, ensembles.csv, masks.npz, heads/ID.pt, figures
and summary.json. Foreign images of the final figures are of data sets that the search never saw,
where any are named; the error against new images of the known ones stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from evoprune.evaluation.heads import Answers, Shown, judged
from evoprune.methods import ensembles
from evoprune.methods.transfer import Found, Outcome
from evoprune.methods.votes import VOTES, Ballots, ballots_of
from evoprune.passes import KINDS
from evoprune.running.run import Run
from evoprune.running.rundir import RunDir
from evoprune.running.transfer_settings import Transfer
from evoprune.running.transferring import TransferProblem
from evoprune.search.indicators import hypervolume
from evoprune.studies.agreement_figures import agreement_figure, heatmap_figure
from evoprune.studies.ensemble_figures import ensembles_figure
from evoprune.studies.figures import hypervolume_figure
from evoprune.studies.lineage import keep_lineage, png
from evoprune.studies.parallel_figures import parallel_figure
from evoprune.studies.report import splits
from evoprune.studies.transfer_figures import front_figure

Row = dict[str, Any]
TEST = ("test_error", "density", "test_misranked")
SEARCH = ("search_error", "density", "search_misranked")


class Opened:
    """The splits that heads are measured on, opened: the features of each image exist once.

    Args:
        problem: of the run.

    Attributes:
        search: own and foreign images that judged the candidates.
        test: own images that nothing has seen, and foreign ones of unseen data sets if there are
            any, else of the known ones.
        known: the same own images, and new foreign ones of the known data sets.
    """

    def __init__(self, problem: TransferProblem) -> None:
        self.problem = problem
        self.search = problem.shown("search")
        self.known = problem.shown("test")
        self.test = problem.shown("test", known=False) if problem.unseen else self.known

    def answers(self, found: Found, shown: Shown) -> Answers:
        """Ask a head about the images of a split."""
        return self.problem.asking(found.head, shown)

    def ballots(self, front: Sequence[Found], shown: Shown) -> Ballots:
        """Return what all heads of a front say of a split."""
        answers = [self.answers(found, shown) for found in front]
        return ballots_of(answers, shown.labels.cpu().numpy())

    def row(self, found: Found) -> Row:
        """Return what is known of a head, measured on the test images."""
        features, units, _ = self.problem.space.parts(found.mask)
        error, misranked = judged(self.answers(found, self.test), self.test.labels)
        known, search = misranked, found.values[0]
        if self.known is not self.test:
            _, known = judged(self.answers(found, self.known), self.known.labels)
        if self.problem.config.measure != "error":
            search, _ = judged(self.answers(found, self.search), self.search.labels)
        classes = len(self.problem.data.classes)
        return {
            "density": found.values[1],
            "features": int(features.sum()),
            "units": int(units.sum()),
            "weights": self.problem.space.weights(found.mask, classes),
            "search_value": found.values[0],
            "search_error": search,
            "search_misranked": found.values[2],
            "test_error": error,
            "test_misranked": misranked,
            "test_misranked_known": known,
        }


def report(
    outcome: Outcome, problem: TransferProblem, config: Transfer, run: Run, folder: RunDir
) -> str:
    """Measure front, controls and ensembles on the test images, and fill the run folder.

    Returns:
        The table that is printed at the end of a run.
    """
    last = run.logbook[-1]  # of the search: controls and final figures are not its own
    opened = Opened(problem)
    shown = tqdm(outcome.front, desc="test", disable=not run.bar)
    front: list[Row] = [{"id": place} | opened.row(found) for place, found in enumerate(shown)]
    controls = [
        {"name": name} | opened.row(found)
        for name, heads in outcome.controls.items()
        for found in heads
    ]
    dense = {"id": ""} | opened.row(outcome.dense)
    points = [[row[column] for column in SEARCH] for row in front]
    together = ensemble_rows(outcome.front, points, opened)
    masks = [found.mask for found in outcome.front]
    for row, found in zip(front, outcome.front, strict=True):
        weights = {name: value.cpu() for name, value in found.head.state_dict().items()}
        folder.write_tensors(f"heads/{row['id']}.pt", weights)
    folder.write_table("front.csv", front)
    folder.write_table("baselines.csv", controls)
    folder.write_table("ensembles.csv", together)
    folder.write_masks(masks)
    draw(folder, run, front, controls, dense, together, masks, unit=problem.space.unit)
    if run.lineage:
        keep_lineage(run.lineage, front, masks, folder)
    fronts: dict[str, list[Row]] = {"front": front}
    fronts |= {name: [r for r in controls if r["name"] == name] for name in outcome.controls}
    summary = {
        "method": config.method,
        "seed": config.seed,
        "dense": dense | {"genes": problem.space.size, "unit": problem.space.unit},
        "splits": splits(problem.data),
        "foreign": {
            "search": [data.name for data in problem.foreign],
            "test": [data.name for data in problem.unseen or problem.foreign],
        },
        "passes": {kind: last[f"passes_{kind}"] for kind in KINDS},
        "evaluations": sum(run.logbook.select("evaluations")),
        **{name: last[name] for name in ("cached", "repaired", "not_finite")},
        "hypervolume": {
            name: {"search": volume(rows, SEARCH), "test": volume(rows, TEST)}
            for name, rows in fronts.items()
        },
        "seconds": {name: round(seconds, 3) for name, seconds in run.seconds.items()},
        "ensembles": together,
        "baselines": controls,
        "front": front,
    }
    folder.write_json("summary.json", summary)  # last: it says that the run has ended
    return table(summary)


def ensemble_rows(
    front: Sequence[Found], points: Sequence[Sequence[float]], opened: Opened
) -> list[Row]:
    """Return a row an ensemble and way of voting; members are chosen on the search split alone.

    Args:
        front: the heads.
        points: error, density and misranked of each, on the search split.
        opened: the splits.
    """
    search, test = (opened.ballots(front, part) for part in (opened.search, opened.test))
    rows = []
    for ensemble in ensembles.ensembles_of(points, search):
        for name, vote in VOTES.items():
            before = ensembles.verdict(ensemble, vote, search)
            after = ensembles.verdict(ensemble, vote, test)
            rows.append(
                {
                    "name": ensemble.name,
                    "vote": name,
                    "members": len(ensemble.members),
                    "search_error": before.error,
                    "search_misranked": before.misranked,
                    "test_error": after.error,
                    "test_misranked": after.misranked,
                    "best_member_error": after.best_member_error,
                    "best_member_misranked": after.best_member_misranked,
                    "above_every_member": int(after.above),
                    "ids": " ".join(map(str, ensemble.members)),
                }
            )
    return rows


def volume(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> float:
    """Return the hypervolume of rows in three columns, minimised, reference (1, 1, 1)."""
    return hypervolume([[row[column] for column in columns] for row in rows], np.ones(3))


def table(summary: Mapping[str, Any]) -> str:
    """Return the short table of a run: dense head, picks, controls, and the best ensemble.

    Heads and ensembles are picked by the search images, and told by the test images.
    """
    front, dense, unit = summary["front"], summary["dense"], summary["dense"]["unit"]
    lines = [f"{'':34} {'kept':>7} {unit:>12} {'error':>8} {'1-AUROC':>8}"]
    lines.append(line("dense head", dense, dense["genes"]))
    for words, row in picked(front, dense).items():
        lines.append(line(words, row, round(row["density"] * dense["genes"])))
    together = best_ensemble(summary["ensembles"])
    if together is not None:
        words = f"{together['name']}, {together['members']} heads"
        lines.append(line(words, {"density": float("nan"), **together}, ""))
        best = together["best_member_error"], together["best_member_misranked"]
        lines.append(f"{'  its best member in each':54} {best[0]:9.4f} {best[1]:8.4f}")
    for name, value in summary["hypervolume"].items():
        lines.append(f"hypervolume, {name:21} {value['test']:7.4f}")
    lines.append(f"on {summary['splits']['test']}; 1-AUROC against {told(summary['foreign'])}")
    return "\n".join(lines)


def line(words: str, row: Mapping[str, Any], genes: object) -> str:
    """Return a line of the table."""
    kept = "" if np.isnan(row["density"]) else f"{row['density']:.3f}"
    return f"{words:34} {kept:>7} {genes:>12} {row['test_error']:8.4f} {row['test_misranked']:8.4f}"


def told(foreign: Mapping[str, Sequence[str]]) -> str:
    """Say which foreign images the final figures are of."""
    names = ", ".join(foreign["test"])
    seen = ", ".join(foreign["search"])
    return f"{names}; the search saw {'other images of them' if names == seen else seen}"


def picked(front: Sequence[Row], dense: Mapping[str, Any]) -> dict[str, Row]:
    """Return heads that a user may want, by what they are; the search images decide.

    The smallest head that errs no more than the dense one, the one that errs least, and the one
    that misranks least.
    """
    enough = [row for row in front if row["search_error"] <= dense["search_error"]]
    picks = {
        "most accurate": min(front, key=lambda row: (row["search_error"], row["density"])),
        "most robust": min(front, key=lambda row: (row["search_misranked"], row["density"])),
    }
    if enough:
        picks = {"smallest as accurate as dense": min(enough, key=lambda r: r["density"])} | picks
    return picks


def best_ensemble(rows: Sequence[Row]) -> Row | None:
    """Return the ensemble of the smallest sum of error and misranked share on the search images."""
    key = ("search_error", "search_misranked")
    return min(rows, key=lambda row: sum(row[column] for column in key), default=None)


def draw(
    folder: RunDir,
    run: Run,
    front: list[Row],
    controls: list[Row],
    dense: Row,
    together: list[Row],
    masks: Sequence[np.ndarray],
    *,
    unit: str,
) -> None:
    """Draw the run's pictures into its folder."""
    points = np.array([[row["test_error"], row["density"], row["test_misranked"]] for row in front])
    stacked, best = np.stack(masks), best_ensemble(together)
    members = [] if best is None else [int(place) for place in best["ids"].split()]
    figures = {
        "front": front_figure(front, controls, dense, unit=unit),
        "parallel": parallel_figure(front, dense, members=members, unit=unit),
        "agreement": agreement_figure(stacked, points, unit=unit),
        "heatmap": heatmap_figure(stacked, points, unit=unit),
        "hypervolume": hypervolume_figure(list(run.logbook)),
    }
    if together:
        figures["ensembles"] = ensembles_figure(together, front, dense)
    for name, figure in figures.items():
        folder.write(f"figures/{name}.png", png(figure))
