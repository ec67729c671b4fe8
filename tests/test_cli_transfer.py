"""`evoprune run transfer`: what it fills a folder with, goes on with, and refuses."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evoprune import cli
from evoprune.evaluation.heads import judged
from evoprune.network.heads import Head
from evoprune.running import transferring
from evoprune.running.growing import grow
from evoprune.running.transfer_settings import Transfer
from evoprune.running.transferring import TransferProblem, prepare_transfer
from evoprune.search.indicators import hypervolume
from evoprune.seeding import Streams

COMMAND = (
    "run transfer --population 4 --evaluations 8 --epochs 2 --units 16 --train-images 200 "
    "--threads 1 --seed 3"
)
TABLES = ("log.csv", "front.csv", "baselines.csv", "ensembles.csv")
MEASURED = (
    "density features units weights search_value search_error search_misranked "
    "test_error test_misranked"
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def start(folder: Path, *options: str) -> int:
    return cli.main([*COMMAND.split(), *options, "--out", str(folder)])


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Make a run that was never stopped; return its folder and what it printed."""
    folder, printed = tmp_path_factory.mktemp("whole") / "run", io.StringIO()
    with redirect_stdout(printed):
        assert start(folder) == 0
    return folder, printed.getvalue()


@pytest.fixture(scope="module")
def whole(ended: tuple[Path, str]) -> Path:
    return ended[0]


@pytest.fixture(scope="module")
def problem(whole: Path) -> TransferProblem:
    """Return the task of that run, with the features that it kept."""
    config = Transfer.from_json(json.loads((whole / "config.json").read_text()))
    problem = prepare_transfer(config, Streams(config.seed), trained=whole / "weights.pt")
    grow(problem, whole)
    return problem


@pytest.fixture
def drawn_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evoprune.studies.transfer_report.draw", lambda *some, **others: None)


def same_tables(folder: Path, other: Path) -> None:
    for table in TABLES:
        assert (folder / table).read_text() == (other / table).read_text()


def test_the_folder_holds_front_controls_ensembles_heads_and_pictures(whole: Path) -> None:
    names = {path.name for path in whole.iterdir()}
    assert names == {
        *TABLES, "config.json", "summary.json", "masks.npz", "weights.pt",
        "checkpoint", "features", "figures", "heads",
    }  # fmt: skip
    front = rows(whole / "front.csv")
    heads = {path.stem for path in (whole / "heads").iterdir()}
    assert heads == {row["id"] for row in front}


def test_the_pictures_are_images(whole: Path) -> None:
    pictures = {path.stem: path for path in (whole / "figures").glob("*.png")}
    names = {"front", "parallel", "agreement", "heatmap", "hypervolume", "ensembles"}
    assert set(pictures) == names
    for path in pictures.values():
        with Image.open(path) as picture:
            assert min(picture.size) > 200


def test_front_and_baselines_say_the_same_of_a_head(whole: Path) -> None:
    front, controls = rows(whole / "front.csv"), rows(whole / "baselines.csv")
    columns = [*MEASURED.split(), "test_misranked_known"]
    assert list(front[0]) == ["id", *columns]
    assert list(controls[0]) == ["name", *columns]
    assert {row["name"] for row in controls} == {"random", "l1"}


def test_the_log_has_a_row_a_generation(whole: Path) -> None:
    log = rows(whole / "log.csv")
    assert [row["evaluations"] for row in log] == ["4", "2", "2"]
    assert [row["phase"] for row in log] == ["heads"] * 3


def test_the_kept_heads_have_the_figures_of_their_rows(
    whole: Path, problem: TransferProblem
) -> None:
    with np.load(whole / "masks.npz") as file:
        masks = np.unpackbits(file["packed"], axis=1, count=int(file["weights"])).astype(bool)
    sides = {
        "search": problem.shown("search"),
        "test": problem.shown("test", known=False),
        "known": problem.shown("test"),
    }
    for row, mask in zip(rows(whole / "front.csv"), masks, strict=True):
        assert row["search_value"] == row["search_error"]
        head = Head(int(row["features"]), int(row["units"]), 5, np.flatnonzero(mask))
        state = torch.load(whole / "heads" / f"{row['id']}.pt", weights_only=True)
        head.load_state_dict(state)
        found = {
            name: judged(problem.asking(head, seen), seen.labels) for name, seen in sides.items()
        }
        assert found["search"] == (float(row["search_error"]), float(row["search_misranked"]))
        assert found["test"] == (float(row["test_error"]), float(row["test_misranked"]))
        assert found["known"][1] == float(row["test_misranked_known"])
        assert sum(value.numel() for name, value in state.items() if name != "chosen") == int(
            row["weights"]
        )


def test_the_summary_has_the_hypervolume_of_each_front(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    for name, values in summary["hypervolume"].items():
        table = summary["front" if name == "front" else "baselines"]
        ours = [row for row in table if row.get("name", "front") == name]
        for split in ("search", "test"):
            columns = (f"{split}_error", "density", f"{split}_misranked")
            points = np.array([[row[column] for column in columns] for row in ours])
            assert values[split] == pytest.approx(hypervolume(points, np.ones(3)))


def test_the_summary_counts_the_search_alone(whole: Path) -> None:
    """As many random and l1-ranked heads were trained beside it."""
    summary = json.loads((whole / "summary.json").read_text())
    last = rows(whole / "log.csv")[-1]
    assert summary["evaluations"] == 8
    assert sum(summary["passes"].values()) == int(last["passes"])
    trainings = 8 - summary["cached"] + 1  # and the dense head, of two epochs each
    assert summary["passes"]["training"] == 200 + 3 * 200 * 2 * trainings


def test_the_summary_says_which_foreign_images_are_new(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["foreign"] == {"search": ["digits:0-2"], "test": ["digits:3-4"]}


def test_members_of_ensembles_are_heads_of_the_front(whole: Path) -> None:
    known = {row["id"] for row in rows(whole / "front.csv")}
    for row in rows(whole / "ensembles.csv"):
        assert set(row["ids"].split()) <= known
        assert len(row["ids"].split()) == int(row["members"])


def test_show_prints_the_table_that_ended_the_run(
    ended: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, printed = ended
    assert cli.main(["show", str(folder)]) == 0
    assert printed.startswith(capsys.readouterr().out)


@pytest.mark.parametrize("saves", [1, 2, 3])
@pytest.mark.usefixtures("drawn_nothing")
def test_a_run_stopped_after_any_checkpoint_ends_with_the_same_rows(
    whole: Path, tmp_path: Path, stopped_after: Any, saves: int
) -> None:
    folder = tmp_path / "run"
    with stopped_after(saves):
        start(folder)
    assert cli.main(["resume", str(folder)]) == 0
    same_tables(folder, whole)
    ours, theirs = (json.loads((f / "summary.json").read_text()) for f in (folder, whole))
    for key in set(theirs) - {"seconds"}:
        assert ours[key] == theirs[key], key


@pytest.mark.usefixtures("drawn_nothing")
def test_a_run_stopped_after_its_features_ends_with_the_same_rows(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"

    def stopped(self: TransferProblem) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(TransferProblem, "evaluator", stopped)
        start(folder)
    assert len(list((folder / "features").iterdir())) == 1
    assert cli.main(["resume", str(folder)]) == 0
    same_tables(folder, whole)


@pytest.mark.usefixtures("drawn_nothing")
def test_two_runs_share_a_folder_of_features(
    tmp_path: Path, digits_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--weights", str(digits_weights), "--features", str(tmp_path / "features"))
    assert start(tmp_path / "first", *options) == 0
    monkeypatch.setattr(transferring, "features_of", None)  # nothing is left to compute
    assert start(tmp_path / "second", *options) == 0
    same_tables(tmp_path / "first", tmp_path / "second")
    assert not (tmp_path / "second" / "features").exists()


@pytest.mark.usefixtures("drawn_nothing")
def test_a_backbone_from_a_file_is_not_trained(
    tmp_path: Path, digits_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transferring, "train_here", None)
    assert start(tmp_path / "run", "--weights", str(digits_weights)) == 0
    assert not (tmp_path / "run" / "weights.pt").exists()


@pytest.mark.parametrize(
    "options",
    [
        "--encoding neurons --score energy --algorithm generational",
        "--encoding connections --score max-softmax --guided",
        "--layer conv3 --pool 2 --measure soft_error --lineage --no-controls",
        "--inherit --perturbation 0.01 --no-controls",
    ],
)
@pytest.mark.usefixtures("drawn_nothing")
def test_encodings_scores_and_parts_of_ours_run_and_go_on(
    options: str, tmp_path: Path, digits_weights: Path, stopped_after: Any
) -> None:
    told = ("--weights", str(digits_weights), *options.split())
    assert start(tmp_path / "whole", *told) == 0
    with stopped_after(1):
        start(tmp_path / "stopped", *told)
    assert cli.main(["resume", str(tmp_path / "stopped")]) == 0
    for table in TABLES:
        ours, theirs = (tmp_path / name / table for name in ("whole", "stopped"))
        assert ours.exists() == theirs.exists()
        assert not ours.exists() or ours.read_text() == theirs.read_text()


@pytest.mark.usefixtures("drawn_nothing")
def test_what_is_minimised_stands_beside_the_error(tmp_path: Path, digits_weights: Path) -> None:
    told = ("--weights", str(digits_weights), "--measure", "soft_error", "--no-controls")
    assert start(tmp_path / "run", *told) == 0
    for row in rows(tmp_path / "run" / "front.csv"):
        wrong = float(row["search_error"]) * 150  # images that the search judges by
        assert wrong == pytest.approx(round(wrong)) and row["search_value"] != row["search_error"]


def test_connections_are_drawn_and_the_lineage_of_the_front_is_kept(
    tmp_path: Path, digits_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    options = ("--weights", str(digits_weights), "--encoding", "connections", "--no-controls")
    assert start(folder, *options, "--lineage") == 0
    drawn = {path.stem for path in (folder / "figures").glob("*.png")}
    assert {"heatmap", "agreement", "lineage", "operators"} <= drawn
    capsys.readouterr()
    assert cli.main(["lineage", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "cxUniformPacked" in said and "misranked" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--foreign digits:5-9", "foreign: digits:5-9 is the target itself"),
        ("--foreign digits:4-6", "foreign: 363 of the 544 images of digits:4-6 are the target's"),
        ("--unseen digits:0-2", "unseen: digits:0-2 is one of those that the search sees"),
        ("--unseen digits:2,4", "unseen: 177 of the 358 images of digits:2,4 are seen by the sear"),
        (
            "--data digits:5 --source digits:0-4 --foreign digits:0-2",
            "expected two classes or mor",
        ),
        ("--data digits:5-9 --source digits:0-4", "foreign: expected at least one data set"),
        ("--data digits:5-9 --foreign digits:0-2", "source: digits-cnn has no weights; write"),
        ("--pool 2", "(images, 512), too few positions for 2 x 2 cells; write a smaller --pool"),
        ("--layer con3", "unknown layer 'con3': did you mean 'conv3'"),
        ("--encoding neuron", "unknown encoding 'neuron': did you mean 'neurons'"),
        ("--score odyn", "unknown score 'odyn': did you mean 'odin'"),
        ("--evaluations 3", "evaluations: expected at least the population, 4, got 3"),
        ("--train-images 5000", "train-images: expected 1 to 597, got 5000"),
        ("--mutate mutRemov", "unknown mutate 'mutRemov': did you mean 'mutRemove'"),
        ("--weights nowhere.pt", "weights: expected a file, found none at"),
        ("--features setup.py", "features: expected a folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    options: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(transferring, "train_here", None)
    folder = tmp_path / "run"
    assert start(folder, *options.split()) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not folder.exists()
