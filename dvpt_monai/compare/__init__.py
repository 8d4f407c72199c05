"""Tuning methods against each other on one bundle, each with its settings searched on the same budget."""

from dvpt_monai.compare.compare import Comparison, compare, compared
from dvpt_monai.compare.entrants import Entrant, parse_methods
from dvpt_monai.compare.recommend import recommended

__all__ = ["Comparison", "Entrant", "compare", "compared", "parse_methods", "recommended"]
