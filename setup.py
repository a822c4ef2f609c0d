"""Builds the package. With ``GATEWAY_COMPILED=1`` mypyc compiles the modules that pyproject.toml names, which needs a C compiler, Python's
headers and the locked mypy: the same code, in about half the time a call. Without, nothing is compiled, and all is plain Python."""

import os
import tomllib
from pathlib import Path

from setuptools import setup

compiled = []
if os.environ.get("GATEWAY_COMPILED") == "1":
    from mypyc.build import mypycify

    project = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text("utf-8"))
    compiled = mypycify(project["tool"]["gateway"]["compiled"], opt_level=os.environ.get("OPT", "3"), debug_level="0")

setup(ext_modules=compiled)
