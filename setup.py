"""Builds the package. With ``GATEWAY_COMPILED=1`` mypyc compiles the modules that pyproject.toml names: the same code, but faster.

That needs a C compiler, Python's headers, and the packages of requirements.lock, since mypyc believes types and checks them first.
"""

import os
import tomllib
from pathlib import Path

from setuptools import setup

compiled = []
if os.environ.get("GATEWAY_COMPILED") == "1":
    from mypyc.build import mypycify

    project = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text("utf-8"))
    # More optimization takes twice as long, and was measured to gain nothing.
    compiled = mypycify(project["tool"]["gateway"]["compiled"], opt_level="1", debug_level="0")

setup(ext_modules=compiled)
