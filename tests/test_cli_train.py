"""`evoprune train --out FILE.pt` trains a network, and notes what the network has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evoprune.cli import main
from evoprune.errors import InputError
from evoprune.network import datasets, models, training
from evoprune.network.models import held_back
from evoprune.running import problem
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.seeding import Streams


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a network that the command has trained for two epochs."""
    path = tmp_path_factory.mktemp("weights") / "digits.pt"
    assert main(["train", "--epochs", "2", "--out", str(path)]) == 0
    return path


def note(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)["evoprune"]


def test_the_file_holds_the_weights_that_a_run_would_train_for_itself(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem, "EPOCHS", 2)
    own = prepare(Config(), Streams(0)).space.model.state_dict()
    loaded = models.build("digits-cnn", channels=1, image_size=8)
    models.load_weights(loaded, made)
    assert all(torch.equal(value, own[key]) for key, value in loaded.state_dict().items())


def test_the_note_tells_data_settings_and_errors(made: Path) -> None:
    model, data = models.build("digits-cnn", channels=1, image_size=8), datasets.load("digits")
    models.load_weights(model, made)
    told = note(made)
    assert (told["model"], told["data"], told["held_back"]) == ("digits-cnn", "digits", True)
    assert (told["epochs"], told["seed"], told["training"]["rate"]) == (2, 0, 0.05)
    for split in ("train", "search", "test"):
        measured = training.error(model, getattr(data, split), data)
        assert told[f"{split}_error"] == pytest.approx(measured)


def test_errors_and_path_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "digits.pt"
    assert main(["train", "--epochs", "1", "--out", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[:3]] == [
        ["train", "1,197", "images"],
        ["search", "300", "images"],
        ["test", "300", "images"],
    ]
    assert lines[2].endswith(f"error {note(path)['test_error']:.4f}")
    assert lines[3] == f"weights: {path}"


def test_the_options_reach_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(training, "train", lambda *_, **options: asked.update(options))
    words = "--epochs 3 --rate .001 --batch 32 --optimiser adamw --schedule plateau --factor .5"
    words += " --patience 4 --momentum .8 --weight-decay .1 --label-smoothing .2 --stop-after 5"
    words += f" --precision bf16 --no-augment --checkpoint there.pt --out {tmp_path / 'a.pt'}"
    assert main(["train", *words.split()]) == 0
    assert asked["epochs"] == 3 and asked["augmentation"] is None
    assert asked["checkpoint"] == "there.pt"
    assert asked["training"] == training.Training(
        rate=0.001,
        batch=32,
        optimiser="adamw",
        schedule="plateau",
        factor=0.5,
        patience=4,
        momentum=0.8,
        weight_decay=0.1,
        label_smoothing=0.2,
        stop_after=5,
        precision="bf16",
    )


def test_another_seed_gives_other_weights(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    assert main(["train", "--epochs", "1", "--seed", "1", "--out", str(path)]) == 0
    states = [torch.load(file, weights_only=True)["state_dict"] for file in (made, path)]
    assert not torch.equal(states[0]["conv1.weight"], states[1]["conv1.weight"])


def test_a_checkpoint_of_the_whole_training_gives_the_same_file_at_once(tmp_path: Path) -> None:
    files = [tmp_path / "one.pt", tmp_path / "two.pt"]
    for file in files:
        words = ["--epochs", "1", "--checkpoint", str(tmp_path / "kept.pt"), "--out", str(file)]
        assert main(["train", *words]) == 0
    assert note(files[0]) == note(files[1])


def test_a_run_takes_the_search_split_that_was_held_back(made: Path) -> None:
    data = prepare(Config(weights=str(made)), Streams(0)).data
    assert not data.seen_all_training
    assert torch.equal(data.search.images, datasets.load("digits").search.images)


def test_a_checkpoint_without_the_note_is_judged_on_half_of_the_test_images(
    digits_weights: Path,
) -> None:
    assert not held_back(digits_weights, "digits")
    assert prepare(Config(weights=str(digits_weights)), Streams(0)).data.seen_all_training


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"held_back": False}, False),
        ({"held_back": "yes"}, False),
        ({"data": "mnist"}, False),
    ],
)
def test_only_the_note_on_that_data_set_counts(
    made: Path, tmp_path: Path, change: dict[str, Any], expected: bool
) -> None:
    content = torch.load(made, weights_only=True)
    content["evoprune"] |= change
    torch.save(content, tmp_path / "changed.pt")
    assert held_back(tmp_path / "changed.pt", "digits") is expected


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match=r"^weights .*bad\.pt: "):
        held_back(tmp_path / "bad.pt", "digits")


def test_a_folder_of_images_is_known_again_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("test", 4)):
        for name in "ab":
            folder = tmp_path / "own" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
                image.fromarray(pixels).save(folder / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    words = "train --data folder:own --model resnet20 --epochs 1 --out own.pt"
    assert main(words.split()) == 0
    assert held_back("own.pt", f"folder:{tmp_path / 'own'}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--epochs 0", "train: expected epochs from 1 on; got epochs=0"),
        ("--rate -1", "train: expected rate above 0; got rate=-1.0"),
        ("--batch 1", "train: expected batch from 2 on; got batch=1"),
        ("--label-smoothing 2", "train: expected label_smoothing from 0 to 1; got"),
        ("--optimiser adam", "unknown optimiser 'adam': did you mean 'adamw'?"),
        ("--schedule cos", "unknown schedule 'cos'"),
        ("--model lenett", "unknown model 'lenett': did you mean 'lenet'?"),
        ("--data digit", "unknown data set 'digit': did you mean 'digits'?"),
        ("--threads 0", "threads: expected at least 1, got 0"),
        ("--seed -1", "seed: expected an integer of 0 or more, got -1"),
        ("--device tpux", "device: expected one that torch can use, got 'tpux'"),
        ("--checkpoint absent/a.pt", "checkpoint: expected a folder at absent; make it first"),
        ("--out absent/a.pt", "out: expected a folder, found none at "),
        ("--epochs x", "argument --epochs: invalid int value: 'x'"),
        ("--model lenet", "model lenet: expected classes and channels from 1 and image_size"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--out", "a.pt", *words.split()]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"evoprune: {message}") and said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_does_not_take_the_images_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models, "build", lambda *_, **__: torch.nn.Conv2d(3, 10, 3))
    assert main(["train", "--out", str(tmp_path / "a.pt")]) == 2
    error = capsys.readouterr().err
    assert "model: digits-cnn does not take the images of digits" in error
    assert error.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_a_training_that_blows_up_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--rate", "1e30", "--epochs", "1", "--out", str(tmp_path / "a.pt")]
    assert main(["train", *words]) == 2
    assert "rate: the loss is not finite in epoch 1" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"mine")
    assert main(["train", "--out", str(path)]) == 2
    assert f"out: {path} is there already; name another file" in capsys.readouterr().err
    assert path.read_bytes() == b"mine"


def test_the_file_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "the following arguments are required: --out" in capsys.readouterr().err
