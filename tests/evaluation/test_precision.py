"""The precision of a search: names, the faster one, and devices that lack one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from evoprune.errors import InputError
from evoprune.evaluation import precision
from evoprune.evaluation.precision import check_precision, resolve_precision

CPU = torch.device("cpu")


def without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let convolutions in bfloat16 raise, as on a device that has none."""
    plain = torch.nn.functional.conv2d

    def conv2d(image: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        if image.dtype == torch.bfloat16:
            raise RuntimeError('"conv2d" not implemented for BFloat16\nand a second line')
        return plain(image, *rest, **options)

    monkeypatch.setattr(torch.nn.functional, "conv2d", conv2d)


def seconds(monkeypatch: pytest.MonkeyPatch, single: float, half: float) -> None:
    """Let the products of matrices take so long."""
    times = {torch.float32: single, torch.bfloat16: half}
    monkeypatch.setattr(precision, "_seconds", lambda dtype, device: times[dtype])


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_a_name_is_taken_at_its_word(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    seconds(monkeypatch, 0.0, 0.0)
    assert resolve_precision(name, "cpu") == resolve_precision(name, CPU) == name


@pytest.mark.parametrize(
    ("single", "half", "expected"),
    [(4.0, 1.0, "bf16"), (1.0, 1.0, "fp32"), (1.2, 1.0, "fp32"), (1.0, 9.0, "fp32")],
)
def test_auto_takes_bfloat16_where_it_is_much_faster(
    monkeypatch: pytest.MonkeyPatch, single: float, half: float, expected: str
) -> None:
    seconds(monkeypatch, single, half)
    assert resolve_precision("auto", "cpu") == expected


def test_auto_measures_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "SIDE", 16)
    assert resolve_precision("auto", "cpu") in ("fp32", "bf16")


def test_auto_takes_single_precision_where_bfloat16_cannot_convolve(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds(monkeypatch, 9.0, 1.0)
    without_bf16(monkeypatch)
    assert resolve_precision("auto", "cpu") == "fp32"


def test_a_device_that_cannot_convolve_in_bfloat16_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    without_bf16(monkeypatch)
    message = (
        r'^precision: cpu cannot convolve in bf16: "conv2d" not implemented for BFloat16; '
        r"write --precision fp32$"
    )
    with pytest.raises(InputError, match=message):
        resolve_precision("bf16", "cpu")
    check_precision("fp32", CPU)


def test_a_device_that_does_not_even_know_bfloat16_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = torch.ones

    def ones(*shape: Any, dtype: torch.dtype, **options: Any) -> torch.Tensor:
        if dtype == torch.bfloat16:  # in these words on older Macs
            raise TypeError("BFloat16 is not supported on MPS")
        return plain(*shape, dtype=dtype, **options)

    monkeypatch.setattr(torch, "ones", ones)
    with pytest.raises(InputError, match="BFloat16 is not supported on MPS; write --precision fp"):
        resolve_precision("bf16", "cpu")
    assert resolve_precision("auto", "cpu") == "fp32"


@pytest.mark.parametrize(("name", "near"), [("bf61", "bf16"), ("fp23", "fp32"), ("fp16", "bf16")])
def test_an_unknown_precision_brings_the_nearest(name: str, near: str) -> None:
    with pytest.raises(InputError, match=f"unknown precision '{name}': did you mean '{near}'"):
        resolve_precision(name, "cpu")


def test_a_misspelt_auto_brings_auto() -> None:
    with pytest.raises(InputError, match="unknown precision 'atuo': did you mean 'auto'"):
        resolve_precision("atuo", "cpu")
