"""Tables are found by name or by path, and what is none is refused in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evoprune.enumerated import NAMES, load, tables
from evoprune.errors import InputError


@pytest.mark.parametrize("name", NAMES)
def test_a_table_has_a_row_for_every_mask(name: str) -> None:
    network = load(name)
    rows = 2**network.genes
    for split in ("search", "test"):
        assert network.wrong[split].shape == network.soft_error[split].shape == (rows,)
        assert network.wrong[split].max() <= network.images[split] == 300
        soft = network.soft_error[split]
        assert soft.min() >= 0 and soft.max() <= 1
    assert network.cost.shape == (rows,) and network.cost[0] == 0
    assert network.cost.max() == network.cost[-1]


def test_the_genes_lie_in_at_least_three_layers() -> None:
    assert load("filters").offsets.tolist() == [0, 5, 10, 16]
    assert load("groups").offsets.tolist() == [0, 5, 10, 14]


def test_only_groups_has_losses_and_gradients() -> None:
    guided = load("groups")
    assert guided.first_order is not None and guided.first_order.shape == (2**14, 14)
    assert guided.loss is not None and np.isfinite(guided.loss).all()
    assert load("filters").first_order is None and load("filters").loss is None


@pytest.mark.parametrize("name", NAMES)
def test_a_table_stays_under_a_megabyte(name: str) -> None:
    assert (tables.FOLDER / f"{name}.npz").stat().st_size < 1e6


def test_a_misspelt_name_brings_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown enumerated network 'filter': did you mean 'fil"):
        load("filter")


def test_a_table_is_read_from_a_path(tmp_path: Path) -> None:
    copy = tmp_path / "mine.npz"
    copy.write_bytes((tables.FOLDER / "groups.npz").read_bytes())
    network = load(copy)
    assert network.name == "mine" and np.array_equal(network.cost, load("groups").cost)


def test_a_path_without_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a file, found none at .*none\.npz"):
        load(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"expected a table of `evoprune enumerate`, got .*bad"):
        load(tmp_path / "bad.npz")


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    with pytest.raises(InputError, match=r"expected a table of `evoprune enumerate`"):
        load(tmp_path / "other.npz")


def test_an_archive_that_would_run_code_is_refused(tmp_path: Path) -> None:
    objects = np.array([print], dtype=object)
    np.savez(tmp_path / "code.npz", **dict.fromkeys(("sizes", "score", "names"), objects))
    with pytest.raises(InputError, match="expected a table of `evoprune enumerate`"):
        load(tmp_path / "code.npz")


def test_a_search_on_the_tables_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from evoprune.enumerated import Seen, load\n"
        "from evoprune.search.nsga2 import nsga2\n"
        "load('groups').front()\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], timeout=60)
    assert done.returncode == 0
