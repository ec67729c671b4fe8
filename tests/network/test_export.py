"""What an export writes is the network that was cut, in every format, or there is nothing there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network import certificate
from evoprune.network import export as module
from evoprune.network.certificate import ExportError
from evoprune.network.cost import macs_by_layer
from evoprune.network.export import export
from evoprune.network.masks import recalibrate
from evoprune.network.recipe import rebuild
from evoprune.network.surgery import Cut, apply, shrink

QUICK = {"batch": 2, "runs": 1}


def run(path: Path, dense: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Run images through a file, as somebody would who knows of no evoprune but `rebuild`."""
    if path.suffix == ".pt":
        return rebuild(dense, path.with_name("recipe.json"), path)(images)
    if path.suffix == ".pt2":
        return torch.export.load(path).module()(images)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


@pytest.mark.parametrize("to", ["state-dict", "torch-export", "onnx"])
def test_the_file_computes_what_the_cut_and_the_masked_network_do_at_any_batch_size(
    network: nn.Module, halved: Cut, images: torch.Tensor, tmp_path: Path, to: str
) -> None:
    content = export(network, halved, tmp_path / "out", images=images, to=to, timing=QUICK)
    small, masked = shrink(network, halved).eval(), apply(network, halved).eval()
    for batch in (images, images[:1], images[:7]):
        given = run(tmp_path / "out" / content["file"], network, batch)
        torch.testing.assert_close(given, small(batch), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(given, masked(batch), rtol=1e-4, atol=1e-5)


def test_an_onnx_file_says_that_its_batch_is_free(
    model: nn.Module, images: torch.Tensor, tmp_path: Path
) -> None:
    export(model, {}, tmp_path / "out", images=images, to="onnx", timing=QUICK)
    (entry,) = onnx.load(tmp_path / "out" / "network.onnx").graph.input
    first, *rest = entry.type.tensor_type.shape.dim
    assert first.dim_param and [one.dim_value for one in rest] == [1, 8, 8]


@pytest.fixture
def content(
    network: nn.Module, halved: Cut, images: torch.Tensor, tmp_path: Path
) -> dict[str, Any]:
    return export(network, halved, tmp_path / "out", images=images, timing=QUICK)


def test_the_certificate_counts_what_the_cut_network_has(
    network: nn.Module, halved: Cut, content: dict[str, Any]
) -> None:
    small = shrink(network, halved)
    parameters = [sum(p.numel() for p in each.parameters()) for each in (network, small)]
    macs = [sum(macs_by_layer(each, (1, 8, 8)).values()) for each in (network, small)]
    for key, (dense, exported) in (("parameters", parameters), ("macs", macs)):
        assert (content[key]["dense"], content[key]["exported"]) == (dense, exported)
        assert content[key]["share"] == exported / dense < 1
        assert content[key]["not_zero"] == exported


def test_the_certificate_has_the_bytes_of_the_file_beside_those_of_the_dense_one(
    content: dict[str, Any], tmp_path: Path
) -> None:
    size = (tmp_path / "out" / "network.pt").stat().st_size
    assert content["bytes"]["exported"] == size < content["bytes"]["dense"]


def test_the_certificate_says_on_what_it_was_timed(content: dict[str, Any]) -> None:
    time = content["latency"]
    assert min(time["dense_ms"], time["exported_ms"], time["times_as_fast"]) > 0
    assert (time["batch"], time["runs"], time["threads"]) == (2, 1, torch.get_num_threads())
    assert time["device"]


def test_the_certificate_is_in_the_folder_and_nothing_else_but_file_and_recipe(
    content: dict[str, Any], tmp_path: Path
) -> None:
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"network.pt", "recipe.json", "certificate.json"}
    assert json.loads((tmp_path / "out" / "certificate.json").read_text()) == content
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_certificate_is_told_in_a_few_lines(content: dict[str, Any]) -> None:
    lines = certificate.told(content).splitlines()
    starts = ["parameters", "MACs", "bytes", "latency, ms", "masked = cut to"]
    assert all(line.startswith(start) for line, start in zip(lines[1:], starts, strict=True))
    assert f"{content['macs']['exported']:,}" in lines[2]


def test_without_shrinking_zeros_are_written_and_counted(
    network: nn.Module, halved: Cut, images: torch.Tensor, tmp_path: Path
) -> None:
    content = export(network, halved, tmp_path / "out", images=images, shrink=False, timing=QUICK)
    assert not content["shrunk"]
    assert content["parameters"]["share"] == content["macs"]["share"] == 1
    assert content["macs"]["not_zero"] == sum(
        macs_by_layer(shrink(network, halved), (1, 8, 8)).values()
    )
    assert "of them not zero" in certificate.told(content)
    state = torch.load(tmp_path / "out" / "network.pt", weights_only=True)
    for name, value in apply(network, halved, permanent=True).state_dict().items():
        assert torch.equal(state[name], value)


def test_the_masked_network_may_have_statistics_of_its_own(
    model: nn.Module, images: torch.Tensor, tmp_path: Path
) -> None:
    masked = apply(model, {}, permanent=True)
    recalibrate(masked, [images], strength=1.0)
    export(model, {}, tmp_path / "out", images=images, masked=masked, timing=QUICK)
    given = run(tmp_path / "out" / "network.pt", model, images)
    assert torch.equal(given, masked(images)) and not torch.allclose(given, model(images))


def test_the_network_comes_back_as_it_was(
    model: nn.Module, images: torch.Tensor, tmp_path: Path, unchanged: Any
) -> None:
    with unchanged(model):
        export(model, {}, tmp_path / "out", images=images, to="onnx", timing=QUICK)


def test_more_may_be_certified_of_what_was_read(
    model: nn.Module, images: torch.Tensor, tmp_path: Path
) -> None:
    content = export(
        model, {}, tmp_path / "out", images=images, timing=QUICK,
        also=lambda read: {"sum": float(read(images).sum())},
    )  # fmt: skip
    assert content["sum"] == pytest.approx(float(model(images).detach().sum()))


def refused(model: nn.Module, images: torch.Tensor, folder: Path, text: str, **how: Any) -> None:
    """Export, expect one line that fits, and nothing left behind."""
    with pytest.raises(ExportError, match=text) as failed:
        export(model, {}, folder / "out", images=images, timing=QUICK, **how)
    assert "\n" not in str(failed.value)
    assert list(folder.iterdir()) == []


def test_a_file_that_says_something_else_is_no_export(
    model: nn.Module, images: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = module.Format(
        ".pt", (), module._write_state, lambda path, dense: lambda x: dense(x) + 1
    )
    monkeypatch.setitem(module.FORMATS, "state-dict", other)
    text = r"the cut network and the file are .* of the largest output apart, more than 1e-04"
    refused(model, images, tmp_path, text)


def test_a_masked_network_that_is_another_than_the_cut_one_is_no_export(
    model: nn.Module, images: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module.surgery, "shrink", lambda model, cut: nn.Sequential(*model, nn.ReLU())
    )
    refused(model, images, tmp_path, "the masked network and the cut are")


def test_outputs_that_are_not_finite_are_no_export(
    model: nn.Module, images: torch.Tensor, tmp_path: Path
) -> None:
    with torch.no_grad():
        model[8].bias[0] = float("nan")
    refused(model, images, tmp_path, "the masked network and the cut are nan")


def test_a_network_that_cannot_be_followed_names_the_format(
    images: torch.Tensor, tmp_path: Path
) -> None:
    class Asks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(64, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.linear(x.flatten(1))
            return y if float(y.sum()) > 0 else -y

    text = "^Asks cannot be written as torch-export: "
    refused(Asks(), images, tmp_path, text, to="torch-export")


def test_what_fails_while_certifying_leaves_nothing(
    model: nn.Module, images: torch.Tensor, tmp_path: Path
) -> None:
    def fail(read: object) -> dict[str, Any]:
        raise ExportError("certificate: the error is another")

    refused(model, images, tmp_path, "the error is another", also=fail)


def test_what_a_killed_export_left_is_swept_away(
    model: nn.Module, images: torch.Tensor, tmp_path: Path
) -> None:
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "half").touch()
    export(model, {}, tmp_path / "out", images=images, timing=QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not (tmp_path / "out" / "half").exists()


def test_a_folder_that_is_there_is_left_alone(
    model: nn.Module, images: torch.Tensor, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="is there already; name another folder"):
        export(model, {}, tmp_path / "out", images=images)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_misspelt_format_is_offered_the_nearest(model: nn.Module, images: torch.Tensor) -> None:
    with pytest.raises(InputError, match="unknown format 'onxx': did you mean 'onnx'"):
        export(model, {}, "out", images=images, to="onxx")


def test_one_image_is_too_few_to_compare_on(model: nn.Module, images: torch.Tensor) -> None:
    with pytest.raises(InputError, match="expected 2 or more to compare on, got 1"):
        export(model, {}, "out", images=images[:1])


def test_a_package_that_is_missing_is_named_with_what_to_install(
    model: nn.Module, images: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(module.importlib, "import_module", absent)
    with pytest.raises(
        InputError, match=r"needs the package onnx; pip install 'evoprune\[export\]'"
    ):
        export(model, {}, tmp_path / "out", images=images, to="onnx")
