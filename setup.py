"""Packages of the wheel: those of anode/, and the folders configs/ and data/ as two more."""

from setuptools import find_namespace_packages, setup

rooms = find_namespace_packages(include=["anode", "anode.*"], exclude=["*.__pycache__"])
groups = [f"anode.configs.{name}" for name in find_namespace_packages("configs")]

setup(
    packages=[*rooms, "anode.configs", *groups, "anode.data"],
    package_dir={"anode.configs": "configs", "anode.data": "data"},
)
