"""`evoprune export RUN`: the file stands on the figures of the run, or one line says why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evoprune import cli
from evoprune.network import datasets, models, training
from evoprune.network.recipe import rebuild, recipe_of
from evoprune.network.surgery import shrink
from evoprune.running.rundir import RunDir
from evoprune.space.filters import FilterSpace

COMMAND = "run hierarchical --population 4 --generations 1 1 --search-images 60 --threads 1"
FAST = ["--batch", "2", "--runs", "1"]
Start = Callable[..., Path]
Export = Callable[..., int]


@pytest.fixture(scope="module")
def start(digits_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Return a function that makes a small run on the digits."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("evoprune.studies.report.DENSITIES", (0.3, 0.8))
        patched.setattr("evoprune.studies.report.draw", lambda *arguments: None)

        def run(*flags: str) -> Path:
            folder = tmp_path_factory.mktemp("runs") / "run"
            fixed = [*COMMAND.split(), "--no-guidance", "--weights", str(digits_weights)]
            assert cli.main([*fixed, "--out", str(folder), *flags]) == 0
            return folder

        yield run


@pytest.fixture(scope="module")
def filters(start: Start) -> Path:
    """Make a run on filters whose candidates were recalibrated."""
    return start("--genes", "filters", "--recalibrate")


@pytest.fixture(scope="module")
def weights(start: Start) -> Path:
    """Make a run on single weights."""
    return start("--genes", "weights")


def middle(run: Path) -> dict[str, Any]:
    """Return the row of a network that has lost something."""
    rows = [row for row in RunDir(run, resume=True).read_table("front.csv") if row["density"] < 0.9]
    return max(rows, key=lambda row: row["density"])  # type: ignore[arg-type, return-value]


def mask_of(run: Path, row: dict[str, Any]) -> np.ndarray:
    arrays = RunDir(run, resume=True).read_arrays("masks.npz")
    packed = arrays["packed"][int(row["id"])]
    return np.unpackbits(packed, count=int(arrays["weights"])).astype(bool)


def built() -> torch.nn.Module:
    return models.build("digits-cnn", channels=1, image_size=8, seed=7)


@pytest.mark.parametrize("to", ["state-dict", "torch-export", "onnx"])
def test_the_test_error_of_the_file_is_the_front_s_under_recalibration(
    filters: Path, export: Export, certificate: Any, to: str
) -> None:
    row = middle(filters)
    assert export(filters, "--pick", f"{row['id']:.0f}", "--to", to, "--shrink") == 0
    content = certificate()
    assert content["error"]["test"] == content["error"]["test_in_run"] == row["test_error"]
    assert content["recalibrated"] == {"strength": 1.0, "images": 1024}
    assert content["shrunk"] and content["parameters"]["share"] < 0.9


def test_a_state_dict_is_rebuilt_from_plain_data_without_the_run(
    filters: Path, export: Export, certificate: Any, tmp_path: Path
) -> None:
    assert export(filters, "--pick", f"{middle(filters)['id']:.0f}", "--shrink") == 0
    moved = tmp_path / "elsewhere"
    shutil.move(tmp_path / "out", moved)
    network = rebuild(built(), moved / "recipe.json", moved / "network.pt")
    content = json.loads((moved / "certificate.json").read_text())
    assert sum(p.numel() for p in network.parameters()) == content["parameters"]["exported"]
    data = datasets.load("digits", search_from="test")
    assert training.error(network, data.test, data) == content["error"]["test"]
    assert str(rebuild(None, moved / "recipe.json")) == str(network)


def test_without_shrinking_zeros_are_exported(
    weights: Path, export: Export, certificate: Any, tmp_path: Path
) -> None:
    row = middle(weights)
    assert export(weights, "--pick", f"{row['id']:.0f}") == 0
    content, mask = certificate(), mask_of(weights, row)
    assert content["error"]["test"] == row["test_error"]
    assert content["parameters"]["share"] == 1 and not content["shrunk"]
    state = torch.load(tmp_path / "out" / "network.pt", weights_only=True)
    names = ("conv1", "conv2", "conv3", "linear")
    flat = torch.cat([state[f"{name}.weight"].flatten() for name in names]).numpy()
    assert not flat[~mask].any() and flat[mask].all()


def test_shrinking_single_weights_takes_out_the_filters_that_lost_all_of_theirs(
    weights: Path, export: Export, certificate: Any, tmp_path: Path
) -> None:
    run, row = tmp_path / "run", middle(weights)
    shutil.copytree(weights, run)
    arrays, mask = RunDir(run, resume=True).read_arrays("masks.npz"), mask_of(run, row)
    second = mask[144 : 144 + 32 * 16 * 9].reshape(32, 16, 9)  # of conv2, which reads conv1's 16
    second[:, [2, 5, 11]] = False
    arrays["packed"][int(row["id"])] = np.packbits(mask)
    RunDir(run, resume=True).write_arrays("masks.npz", arrays)
    with_front(run, row, test_error=error_under(run, mask))
    assert export(run, "--pick", f"{row['id']:.0f}", "--shrink") == 0
    recipe = json.loads((tmp_path / "out" / "recipe.json").read_text())
    kept = recipe["modules"]["conv1"]["outputs"]["kept"]
    assert not {2, 5, 11} & set(kept) and certificate()["shrunk"]


def with_front(run: Path, row: dict[str, Any], **values: float) -> None:
    """Change a row of a run's front."""
    folder = RunDir(run, resume=True)
    rows = folder.read_table("front.csv")
    rows[int(row["id"])] |= values
    folder.write_table("front.csv", rows)


def error_under(run: Path, mask: np.ndarray) -> float:
    """Return the test error of a mask of single weights."""
    network, data = built(), datasets.load("digits", search_from="test")
    models.load_weights(network, json.loads((run / "config.json").read_text())["weights"])
    first = 0
    for name in ("conv1", "conv2", "conv3", "linear"):
        weight = network.get_submodule(name).weight
        part = torch.from_numpy(mask[first : first + weight.numel()]).view(weight.shape)
        weight.data *= part
        first += weight.numel()
    return training.error(network, data.test, data)


def test_rounded_widths_are_multiples_and_the_certificate_says_so(
    filters: Path, export: Export, certificate: Any, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    row = middle(filters)
    flags = ["--pick", f"{row['id']:.0f}", "--shrink", "--round-to", "8"]
    assert export(filters, *flags) == 0
    network = rebuild(built(), tmp_path / "out" / "recipe.json", tmp_path / "out" / "network.pt")
    assert [getattr(network, f"conv{i}").out_channels % 8 for i in (1, 2, 3)] == [0, 0, 0]
    content = certificate()
    assert content["put_back"] == round(80 * content["density"]) - mask_of(filters, row).sum() > 0
    assert content["error"]["test_in_run"] is None
    assert "another network than the run's" in capsys.readouterr().out


@pytest.fixture
def tuned(filters: Path, tmp_path: Path) -> tuple[Path, torch.nn.Module, dict[str, Any]]:
    """Give a run a fine-tuned network: the cut one with other weights."""
    run, row = tmp_path / "run", middle(filters)
    shutil.copytree(filters, run)
    dense = built()
    space = FilterSpace(dense, (1, 8, 8))
    cut = space.cut(mask_of(filters, row))
    small = shrink(dense, cut).eval()
    content = {"state_dict": small.state_dict(), "recipe": recipe_of(dense, cut)}
    (run / "tuned").mkdir()
    torch.save(content, run / "tuned" / f"{row['id']:.0f}.pt")
    return run, small, row


@pytest.mark.parametrize("shrink", [True, False])
def test_fine_tuned_weights_are_taken_and_the_certificate_says_so(
    tuned: Any, export: Export, certificate: Any, tmp_path: Path, images: torch.Tensor,
    shrink: bool,
) -> None:  # fmt: skip
    run, small, row = tuned
    flags = ["--shrink"] if shrink else []
    assert export(run, "--pick", f"{row['id']:.0f}", *flags) == 0
    content = certificate()
    assert content["weights"] == "fine-tuned" and content["shrunk"] is shrink
    network = rebuild(built(), tmp_path / "out" / "recipe.json", tmp_path / "out" / "network.pt")
    torch.testing.assert_close(network(images), small(images), rtol=1e-4, atol=1e-5)


def test_the_untuned_weights_can_be_asked_for(tuned: Any, export: Export, certificate: Any) -> None:
    run, _, row = tuned
    flags = ["--pick", f"{row['id']:.0f}", "--shrink", "--no-tuned"]
    assert export(run, *flags) == 0
    assert certificate()["weights"] == "of the dense network"
    assert certificate()["error"]["test"] == row["test_error"]


def test_a_fine_tuned_network_is_not_rounded(
    tuned: Any, export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, row = tuned
    flags = ["--pick", f"{row['id']:.0f}", "--shrink", "--round-to", "8"]
    assert one_line(export(run, *flags), 2, capsys, "was fine-tuned at widths of its own")


def test_a_pick_by_macs_needs_no_such_column(
    filters: Path, export: Export, certificate: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(filters, "--pick", "max-macs=0.9,max-error=1", "--shrink") == 0
    assert certificate()["macs"]["share"] <= 0.9
    printed = capsys.readouterr().out
    assert "(max-macs=0.9,max-error=1): " in printed and "of the filters" in printed


def test_without_a_folder_the_export_lies_in_the_run(
    filters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(filters, tmp_path / "run")
    assert cli.main(["export", str(tmp_path / "run"), *FAST, "--pick", "0", "--shrink"]) == 0
    path = tmp_path / "run" / "exports" / "0-state-dict-shrunk" / "network.pt"
    assert path.exists() and capsys.readouterr().out.endswith(f"file: {path}\n")


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
        ("--pick nee", "did you mean 'knee'?"),
        ("--pick max-error=-1", "pick: expected a network with error of at most -1"),
        ("--pick min-latency_ms", "unknown pick 'min-latency_ms'"),
        ("--to onxx", "unknown format 'onxx': did you mean 'onnx'?"),
        ("--round-to 8", "round-to: expected with --shrink"),
        ("--shrink --round-to 0", "round-to: expected at least 1, got 0"),
        ("--batch 0", "batch: expected at least 1, got 0"),
        ("--runs 0", "runs: expected at least 1, got 0"),
        ("--threads 0", "threads: expected at least 1, got 0"),
        ("--out /proc/x", "out: cannot write to /proc/x"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    filters: Path, export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    flags: str, words: str,
) -> None:  # fmt: skip
    before = set(filters.rglob("*"))
    assert one_line(export(filters, *flags.split()), 2, capsys, words)
    assert set(filters.rglob("*")) == before and not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_refused(
    filters: Path, export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    assert one_line(export(filters), 2, capsys, "out is there already; name another folder")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--pick 0 --shrink --round-to 8", "round-to: expected a run on filters"),
        ("--pick max-density=0.9 --shrink", "but no filter lost all of its; leave the option out"),
    ],
)
def test_what_a_run_on_weights_cannot_be_is_one_line(
    weights: Path, export: Export, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, flags: str, words: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("evoprune.studies.exporting.unused", lambda model, images: {})
    assert one_line(export(weights, *flags.split()), 2, capsys, words)


def changed(run: Path, tmp_path: Path, **settings: Any) -> Path:
    """Copy a run with other settings."""
    shutil.copytree(run, tmp_path / "changed")
    path = tmp_path / "changed" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return tmp_path / "changed"


def test_a_run_that_has_not_ended_says_how_to_go_on(
    filters: Path, export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = changed(filters, tmp_path)
    (run / "summary.json").unlink()
    assert one_line(export(run), 2, capsys, "has not ended; `evoprune resume")


def test_masks_of_another_network_are_refused(
    filters: Path, export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = changed(filters, tmp_path, genes="weights")
    words = "have 80 genes, the network of its config.json 19,088"
    assert one_line(export(run), 2, capsys, words)


def test_weights_that_are_gone_are_not_trained_anew(
    filters: Path, export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = changed(filters, tmp_path, weights=None)
    assert one_line(export(run), 2, capsys, "weights.pt is gone")


def test_an_error_that_is_not_the_run_s_ends_with_1_and_leaves_nothing(
    filters: Path, export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = changed(filters, tmp_path)
    row = middle(run)
    with_front(run, row, test_error=row["test_error"] + 0.02)
    status = export(run, "--pick", f"{row['id']:.0f}", "--shrink")
    assert one_line(status, 1, capsys, "certificate: the test error is")
    assert not list(tmp_path.glob("out*"))


def test_something_else_in_the_place_of_fine_tuned_weights_is_refused(
    tuned: Any, export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, row = tuned
    (run / "tuned" / f"{row['id']:.0f}.pt").write_bytes(b"x")
    words = "holds no fine-tuned network; write --no-tuned"
    assert one_line(export(run, "--pick", f"{row['id']:.0f}"), 2, capsys, words)
