"""Ids that divide the cases that a table lists, or a folder holds, into those that train and those that validate."""

from __future__ import annotations

from dvpt_monai.recipes.recipe import Config

__all__ = ["in_folds", "table", "table_in_folds"]


def table(group: bool = False) -> Config:
    """The arguments of ``read_csv``: the columns, the classes, and where paths start."""
    return {
        "image": "@image_column",
        "label": "@label_column",
        **({"group": "@group_column"} if group else {}),
        "num_classes": "@num_classes",
        "root": "@dataset_dir",
    }


def table_in_folds(validation: str = "", seed: str = "") -> Config:
    """The rows of a table: ``train_split`` in folds drawn by ``seed``, or all where ``validation`` is of its own."""
    training = "@cases" if validation else _fold("@cases", "training", seed)
    return {
        "table": table(group=True),
        "cases": "$data.read_csv(@datalist, split=@train_split, **@table)",
        "pool": f"$data.label_fraction({training}, @label_fraction, @seed)",
        "train_cases": "$data.shots(@pool, @shots, @seed)",
        "val_cases": f"${validation or _fold('@cases', 'validation', seed)}",
    }


def in_folds(cases: str = "@cases", validation: str = "", seed: str = "") -> Config:
    """Cases in folds, drawn by ``seed``, or all of them to train on where ``validation`` gives a part of its own."""
    training = cases if validation else _fold(cases, "training", seed)
    return {
        "train_cases": f"$data.label_fraction({training}, @label_fraction, @seed)",
        "val_cases": f"${validation or _fold(cases, 'validation', seed)}",
    }


def _fold(cases: str, part: str, seed: str = "") -> str:
    drawn = f", {seed}" if seed else ""
    return f"data.split({cases}, '{part}', @fold, @folds{drawn})"
