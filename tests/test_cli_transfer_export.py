"""`evoprune export` of a transfer: backbone and head in one file, judged as the front was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evoprune import cli
from evoprune.evaluation.outofdistribution import auroc, max_softmax
from evoprune.network import datasets
from evoprune.network.recipe import rebuild
from evoprune.running.rundir import RunDir

Start = Callable[..., Path]
Export = Callable[..., int]


@pytest.fixture(scope="module")
def features(transferred: Start) -> Path:
    return transferred()


def rows_of(run: Path) -> list[dict[str, Any]]:
    return RunDir(run, resume=True).read_table("front.csv")


def middle(run: Path) -> dict[str, Any]:
    """Return the row of the head that keeps most, but not all."""
    rows = [row for row in rows_of(run) if row["density"] < 1]
    return max(rows, key=lambda row: row["density"])


@pytest.mark.parametrize("to", ["state-dict", "torch-export", "onnx"])
def test_the_file_errs_and_misranks_as_the_front_says(
    features: Path, export: Export, certificate: Any, to: str
) -> None:
    row = middle(features)
    assert export(features, "--pick", f"{row['id']:.0f}", "--to", to) == 0
    content = certificate()
    for name in ("error", "misranked"):
        assert content[name]["search"] == pytest.approx(row[f"search_{name}"])
        assert content[name]["test"] == pytest.approx(content[name]["test_in_run"])
        assert content[name]["test_in_run"] == row[f"test_{name}"]
    assert content["shrunk"] and content["density"] == row["density"]
    assert content["misranked"]["search_foreign"] == ["digits:0-2"]
    assert content["misranked"]["test_foreign"] == ["digits:3-4"]


def test_a_stranger_makes_the_network_again_from_two_files(
    features: Path, export: Export, tmp_path: Path
) -> None:
    """Neither the run nor the backbone's checkpoint is needed, and nothing but tensors is read."""
    row = middle(features)
    assert export(features, "--pick", f"{row['id']:.0f}") == 0
    moved = shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    content = json.loads((moved / "certificate.json").read_text())
    network = rebuild(None, moved / "recipe.json", moved / "network.pt")
    mean, deviation = content["images"]["mean"][0], content["images"]["deviation"][0]

    def logits(split: datasets.Split) -> torch.Tensor:
        with torch.no_grad():
            return network((split.images / 255 - mean) / deviation)

    own, foreign = (datasets.load(name).test for name in ("digits:5-9", "digits:3-4"))
    wrong = (logits(own).argmax(1) != own.labels).float().mean()
    assert float(wrong) == pytest.approx(row["test_error"])
    assert content["classes"] == ["5", "6", "7", "8", "9"]
    scores = [max_softmax(logits(split), temperature=1000) for split in (own, foreign)]
    chosen = np.sort(np.random.default_rng(0).permutation(len(foreign))[: len(own)])
    assert 1 - auroc(scores[0], scores[1][chosen]) == pytest.approx(row["test_misranked"])


def test_a_head_is_narrow_with_or_without_shrink(
    features: Path, export: Export, certificate: Any, tmp_path: Path
) -> None:
    pick = ["--pick", f"{middle(features)['id']:.0f}"]
    assert export(features, *pick, "--shrink") == 0
    first = certificate()
    shutil.rmtree(tmp_path / "out")
    assert export(features, *pick) == 0
    assert certificate()["parameters"] == first["parameters"]


def test_what_is_left_of_the_network_is_counted(
    features: Path, export: Export, certificate: Any
) -> None:
    """The backbone up to its features has 3 convolutions and norms; the head is the row's."""
    row = middle(features)
    assert export(features, "--pick", f"{row['id']:.0f}") == 0
    trunk = 9 * (16 + 16 * 32 + 32 * 32) + 2 * (16 + 32 + 32)
    content = certificate()
    assert content["parameters"]["dense"] == trunk + 16 * 512 + 17 * 5
    assert content["parameters"]["exported"] == trunk + row["weights"]


@pytest.mark.parametrize(("name", "unit"), [("macs", "macs"), ("params", "parameters")])
def test_a_pick_by_a_share_of_the_whole_network_is_what_is_certified(
    features: Path, export: Export, certificate: Any, name: str, unit: str
) -> None:
    assert export(features, "--pick", f"min-{name}") == 0
    share = certificate()[unit]["share"]
    sparsest = min(rows_of(features), key=lambda row: row["weights"])
    assert certificate()["id"] == sparsest["id"] and share < 1
    assert cli.main(["export", str(features), "--pick", f"max-{name}={share - 1e-6}"]) == 2


@pytest.mark.parametrize(
    ("pick", "column"),
    [("min-features", "features"), ("min-misranked", "search_misranked"),
     ("min-error", "search_error"), ("min-weights", "weights")],
)  # fmt: skip
def test_a_pick_by_a_column_of_the_front(
    features: Path, export: Export, certificate: Any, pick: str, column: str
) -> None:
    assert export(features, "--pick", pick) == 0
    rows = {row["id"]: row for row in rows_of(features)}
    assert rows[certificate()["id"]][column] == min(row[column] for row in rows.values())


@pytest.mark.parametrize("encoding", ["neurons", "connections"])
def test_heads_of_other_genes_are_exported_too(
    transferred: Start, export: Export, certificate: Any, encoding: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = transferred("--encoding", encoding)
    row = middle(run)
    assert export(run, "--pick", f"{row['id']:.0f}") == 0
    content = certificate()
    assert content["misranked"]["test"] == pytest.approx(row["test_misranked"])
    left = content["parameters"]["not_zero"] - (content["parameters"]["dense"] - 16 * 512 - 17 * 5)
    assert left == row["weights"]
    assert f"of the {encoding}, weights of the trained head" in capsys.readouterr().out


def test_a_score_that_perturbs_images_takes_the_step_of_the_run(
    transferred: Start, export: Export, certificate: Any
) -> None:
    """A file of ONNX has no gradient of its own."""
    run = transferred("--perturbation", "0.05", "--evaluations", "4")
    row = middle(run)
    assert export(run, "--pick", f"{row['id']:.0f}", "--to", "onnx") == 0
    assert certificate()["misranked"]["search"] == pytest.approx(row["search_misranked"])


def one_line(status: int, expected: int, capsys: pytest.CaptureFixture[str], words: str) -> bool:
    """Return whether a command failed as expected, in one line with these words."""
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1, printed
    assert words in printed.err
    return status == expected


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--pick 99", "pick: expected the id of one of"),
        ("--pick min-feature", "did you mean 'min-features'?"),
        ("--pick max-misranked=-1", "pick: expected a network with misranked of at most -1"),
        ("--shrink --round-to 8", "round-to: expected a run on filters, got one on heads"),
        ("--to onxx", "unknown format 'onxx': did you mean 'onnx'?"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    features: Path, export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    flags: str, words: str,
) -> None:  # fmt: skip
    before = set(features.rglob("*"))
    assert one_line(export(features, *flags.split()), 2, capsys, words)
    assert set(features.rglob("*")) == before and not (tmp_path / "out").exists()


@pytest.fixture
def changed(features: Path, tmp_path: Path) -> Path:
    """Copy a run, to be changed."""
    return Path(shutil.copytree(features, tmp_path / "changed"))


def head_path(run: Path) -> Path:
    return run / "heads" / f"{middle(run)['id']:.0f}.pt"


def test_a_head_that_is_gone_is_named(
    changed: Path, export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    head_path(changed).unlink()
    status = export(changed, "--pick", f"{middle(changed)['id']:.0f}")
    assert one_line(status, 2, capsys, f"found none at {head_path(changed)}")


def test_a_head_of_another_mask_is_refused(
    changed: Path, export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    sparsest = min(rows_of(changed), key=lambda row: row["density"])
    shutil.copy(changed / "heads" / f"{sparsest['id']:.0f}.pt", head_path(changed))
    status = export(changed, "--pick", f"{middle(changed)['id']:.0f}")
    assert one_line(status, 2, capsys, "is no head of this mask")


def test_a_head_that_reads_other_features_is_refused(
    changed: Path, export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(head_path(changed), weights_only=True)
    torch.save(state | {"chosen": state["chosen"].flip(0)}, head_path(changed))
    status = export(changed, "--pick", f"{middle(changed)['id']:.0f}")
    assert one_line(status, 2, capsys, "reads other features than this mask keeps")


@pytest.mark.parametrize(
    ("column", "words"),
    [("test_error", "the test error is"), ("search_misranked", "the search 1-AUROC is")],
)
def test_what_is_not_the_run_s_ends_with_1_and_leaves_nothing(
    changed: Path, export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    column: str, words: str,
) -> None:  # fmt: skip
    folder, rows, row = RunDir(changed, resume=True), rows_of(changed), middle(changed)
    rows[int(row["id"])][column] += 0.02
    folder.write_table("front.csv", rows)
    status = export(changed, "--pick", f"{row['id']:.0f}")
    assert one_line(status, 1, capsys, words)
    assert not list(tmp_path.glob("out*"))
