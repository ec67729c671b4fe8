"""Time and weigh evoprune beside others: python tests/benchmarks [NAME ...]

Prints a table and writes it as JSON. A name is that of a file here; all run by default. Needs
`pip install -e '.[bench]'`. Figures are ratios wherever something stands beside ours, both sides
timed in turn in one process (`timing.py`); how fast a machine is says little.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

MODULES = [
    "evaluation", "guidance", "generation", "selection", "memory", "narrow", "heads", "scaling",
]  # fmt: skip
PACKAGES = ["numpy", "torch", "deap", "moocore", "pymoo"]


def machine(threads: int) -> str:
    """Return the machine and the versions in words."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{name}, {os.cpu_count()} cores, {threads} {'thread' if threads == 1 else 'threads'}; "
        f"{platform.system()}, Python {platform.python_version()}, {versions}"
    )


def main(arguments: list[str]) -> int:
    """Run the benchmarks that are asked for; return 1 if an aim is not reached."""
    parser = argparse.ArgumentParser(prog="tests/benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODULES)}")
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves, as PNG")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all run")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in MODULES:
            parser.error(f"NAME: expected {', '.join(MODULES)}, got {name!r}")
    for library in ("OMP", "MKL", "OPENBLAS"):  # read when numpy and torch are imported, below
        os.environ[f"{library}_NUM_THREADS"] = str(options.threads)
    from timing import HEAD, Row, line

    said, rows = machine(options.threads), list[Row]()
    print(said, HEAD, sep="\n\n", flush=True)
    for name in options.names or MODULES:
        for row in importlib.import_module(name).rows(quick=options.quick):
            rows.append(replace(row, aim="", reached=None) if options.quick else row)
            print(line(rows[-1]), flush=True)
            written = {"machine": said, "quick": options.quick, "rows": [*map(asdict, rows)]}
            options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        importlib.import_module("scaling").draw(rows, options.plot)
    return int(any(row.reached is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
