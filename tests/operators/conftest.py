"""Fixtures of the operator tests."""

from __future__ import annotations

import random
from typing import Any, NoReturn

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture
def no_global_draws(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    """Make numpy's and Python's global generators raise, and new ones; `rng` is made before."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("an operator drew from a global generator")

    for module in (random, np.random):
        for name in dir(module):
            drawn = getattr(module, name)
            if name[0].islower() and callable(drawn) and not isinstance(drawn, type):
                monkeypatch.setattr(module, name, refuse)
