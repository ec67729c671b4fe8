"""What operators may know of the genes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from operators.layout import Layout


def test_a_gene_belongs_to_the_layer_between_whose_offsets_it_lies() -> None:
    layout = Layout.plain([2, 3, 1])
    assert layout.offsets.tolist() == [0, 2, 5, 6]
    assert layout.layer_of(range(6)).tolist() == [0, 0, 1, 1, 1, 2]


def test_an_empty_layer_holds_no_gene() -> None:
    assert Layout.plain([2, 0, 1]).layer_of([0, 1, 2]).tolist() == [0, 0, 2]


def test_without_a_corridor_every_gene_is_free() -> None:
    layout = Layout.plain([4])
    assert layout.support.all()
    assert not layout.core.any()


def test_without_a_score_all_genes_matter_alike() -> None:
    assert np.ptp(Layout.plain([4]).score) == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"score": [1, 2, 3]}, "score: expected 4 entries, one for each gene"),
        ({"support": [1, 1, 1]}, "support: expected 4 entries"),
        ({"core": [1, 1, 1, 1, 1]}, "core: expected 4 entries"),
        ({"support": [1, 1, 1, 0], "core": [0, 0, 0, 1]}, "core: expected to lie inside"),
    ],
)
def test_what_does_not_fit_the_genes_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Layout.plain([1, 3], **given)
