"""The bundles lie beside the package in a checkout and inside it in a wheel, which setup.cfg has no way to say."""

from setuptools import find_packages, setup

# What `python -m dvpt_monai init` makes new bundles of; weights and pictures stay behind.
SHIPPED = ["*/LICENSE", "*/large_files.yml", "*/configs/*", "*/docs/*.md", "*/docs/*.txt"]

setup(
    packages=[*find_packages(include=["dvpt_monai*"]), "dvpt_monai.bundles"],
    package_dir={"dvpt_monai.bundles": "bundles"},
    package_data={"dvpt_monai.bundles": SHIPPED},
)
