"""The picture of what neurons look at shows the images, maps and names that it was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from evoprune.errors import InputError
from evoprune.network import gradcam
from evoprune.network.trunk import Trunk
from evoprune.studies import explained as module
from evoprune.studies.explained import Looked, explained, gradcam_figure


def looked(name: str = "feature 3", *, count: int = 2, channels: int = 1, size: int = 8) -> Looked:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, channels, size, size), np.uint8)
    maps = rng.random((count, size, size), np.float32)
    return Looked(name, 0.934, images, maps, [f"class {place}" for place in range(count)])


def cells(figure: Figure) -> list[Any]:
    """Return the axes of the images, row by row; the scale has no name above it."""
    return [axes for axes in figure.axes if axes.get_title()]


def words(figure: Figure) -> list[str]:
    """Return what is written at the left of the rows."""
    return [text.get_text() for axes in cells(figure) for text in axes.texts]


def test_a_row_holds_the_images_of_a_neuron_with_their_classes_and_its_share() -> None:
    figure = gradcam_figure([looked(), looked("unit 7", count=3)])
    titles = [axes.get_title() for axes in cells(figure)]
    assert titles == ["class 0", "class 1", "class 0", "class 1", "class 2"]
    assert words(figure) == ["feature 3", "kept by 93 %", "unit 7", "kept by 93 %"]
    tops = [axes.get_position().y1 for axes in cells(figure)]
    assert tops[0] == tops[1] > tops[2] == tops[3] == tops[4]


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32), (3, 224)])
def test_an_image_lies_in_grey_below_its_map(channels: int, size: int) -> None:
    row = looked(channels=channels, size=size)
    image, heat = cells(gradcam_figure([row]))[1].images
    assert np.allclose(image.get_array(), row.images[1].mean(0))
    assert np.array_equal(heat.get_array(), row.maps[1])
    assert image.get_cmap().name == "gray" and heat.get_clim() == (0, 1)


def test_heat_of_zero_hides_nothing_and_more_heat_hides_more() -> None:
    nothing, half, most = module.HEAT([0.0, 0.5, 1.0])[:, 3]
    assert nothing == 0 and 0 < half < most < 1


def test_the_scale_says_what_the_colours_are() -> None:
    figure = gradcam_figure([looked()])
    (scale,) = (axes for axes in figure.axes if not axes.get_title())
    assert "Grad-CAM" in scale.get_xlabel()
    assert [label.get_text() for label in scale.get_xticklabels()] == ["0", "half", "most"]


def test_images_are_of_one_size_however_many_rows_there_are() -> None:
    for rows in (1, 12):
        figure = gradcam_figure([looked(count=4)] * rows)
        inches = cells(figure)[0].get_position().bounds[2:] * figure.get_size_inches()
        assert inches == pytest.approx([module.CELL, module.CELL])


def test_a_long_name_is_cut_short() -> None:
    row = looked(count=1)
    long = Looked(row.name, row.share, row.images, row.maps, ["soft-coated wheaten terrier"])
    (axes,) = cells(gradcam_figure([long]))
    assert axes.get_title() == "soft-coated wheat…"


def test_a_neuron_that_nothing_shown_raises_is_called_so() -> None:
    row = looked()
    dead = Looked(row.name, row.share, row.images, np.zeros_like(row.maps), row.classes)
    assert words(gradcam_figure([dead]))[1] == "kept by 93 %\nraised nowhere here"


def test_no_neuron_is_refused() -> None:
    with pytest.raises(InputError, match="expected one neuron or more to show, got none"):
        gradcam_figure([])


RAW = torch.tensor([10, 200, 90], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 1, 4, 4).clone()
RAW[:, :, 0, 0] = 250
IMAGES, LABELS = RAW / 255 - 0.5, torch.tensor([0, 1, 1])


def bright_and_dark() -> Trunk:
    """The first feature is large on bright images, the second on dark ones."""
    maps = nn.Conv2d(1, 2, 1, bias=False)
    maps.weight.data[:] = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    return Trunk(nn.Sequential(maps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)))


def test_a_neuron_is_shown_on_the_images_where_it_is_largest() -> None:
    shares = {1: 0.5, 0: 0.25}
    figure = explained(bright_and_dark(), RAW, IMAGES, LABELS, ["a", "b"], shares, count=2)
    assert [axes.get_title() for axes in cells(figure)] == ["a", "b", "b", "b"]
    assert words(figure) == ["feature 1", "kept by 50 %", "feature 0", "kept by 25 %"]
    shown = [axes.images[0].get_array()[3, 3] for axes in cells(figure)]
    assert shown == [10, 90, 200, 90]
    assert cells(figure)[0].images[1].get_array()[0, 0] == 0  # dark is not there


def test_a_hidden_unit_is_shown_like_a_feature() -> None:
    swapped = nn.Linear(2, 2, bias=False)
    swapped.weight.data[:] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    given: tuple[Any, ...] = (bright_and_dark(), RAW, IMAGES, LABELS, ["a", "b"])
    unit = explained(*given, {0: 1.0}, head=swapped, kind="unit")
    feature = explained(*given, {1: 1.0})
    assert words(unit)[0] == "unit 0"
    for ours, theirs in zip(cells(unit), cells(feature), strict=True):
        for mine, other in zip(ours.images, theirs.images, strict=True):
            assert np.allclose(mine.get_array(), other.get_array())


def test_features_that_are_known_are_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "features_of", lambda *args, **how: pytest.fail("computed"))
    known = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    given: tuple[Any, ...] = (bright_and_dark(), RAW, IMAGES, LABELS, ["a", "b"])
    figure = explained(*given, {0: 1.0}, features=known, count=1)
    assert cells(figure)[0].images[0].get_array()[3, 3] == 90


def test_what_cannot_be_drawn_is_said_before_features_are_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(module, "features_of", lambda *args, **how: pytest.fail("computed"))
    given: tuple[Any, ...] = (RAW, IMAGES, LABELS, ["a", "b"], {0: 1.0})
    flat = Trunk(nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.ReLU(), nn.Linear(2, 2)))
    with pytest.raises(InputError, match="expected a backbone whose last layers have positions"):
        explained(flat, *given)
    monkeypatch.setattr(gradcam.importlib, "import_module", absent)
    with pytest.raises(InputError, match="needs the package captum"):
        explained(bright_and_dark(), *given)
