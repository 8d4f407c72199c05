"""How people's data lie in folders: cases, their labels, parts and patients, before any image is read."""

from dvpt_monai.layouts.columns import Columns
from dvpt_monai.layouts.left_out import left_out
from dvpt_monai.layouts.listing import Case, Listing, Lost, Note
from dvpt_monai.layouts.patients import grouped
from dvpt_monai.layouts.readings import READINGS, list_cases

__all__ = ["READINGS", "Case", "Columns", "Listing", "Lost", "Note", "grouped", "left_out", "list_cases"]
