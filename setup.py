"""Installation of evoprune; the dependencies are read from requirements.txt."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
LINES = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
REQUIREMENTS = [line.split("#")[0].strip() for line in LINES]
EXPORT = ["onnx>=1.19.1", "onnxruntime>=1.22.1", "onnxscript>=0.6.2"]
EXPLAIN = ["captum>=0.9"]  # 0.8 forbids numpy 2

setup(
    name="evoprune",
    version="0.1.0",
    description="Evolutionary pruning of PyTorch networks on DEAP",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the evoprune authors",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["operators", "operators.*", "evoprune", "evoprune.*"]),
    package_data={
        "operators": ["py.typed"],
        "evoprune": [
            "py.typed",
            "network/digits.npz",
            "network/digits.txt",
            "enumerated/filters.npz",
            "enumerated/groups.npz",
        ],
    },
    install_requires=[requirement for requirement in REQUIREMENTS if requirement],
    extras_require={
        "bench": ["pymoo>=0.6.1"],
        "explain": EXPLAIN,
        "export": EXPORT,
        "test": [
            *EXPLAIN,
            *EXPORT,
            "mypy>=1.11",
            "pymoo>=0.6.1",
            "pytest>=8.0",
            "pytest-xdist>=3.6",
            "ruff>=0.9",
            "scikit-learn>=1.5",
        ],
        "docs": ["furo>=2024.8", "myst-parser>=4.0", "sphinx>=8.0", "sphinx-gallery>=0.18"],
    },
    entry_points={"console_scripts": ["evoprune=evoprune.cli:main"]},
)
