"""Read a data set once and say which of its files would spoil a training, why, and what to do."""

from typing import TYPE_CHECKING

from dvpt_monai.lazy import lazy

if TYPE_CHECKING:
    from dvpt_monai.verify.case import DataSet
    from dvpt_monai.verify.cases import of_listing
    from dvpt_monai.verify.check import verify, verify_cases
    from dvpt_monai.verify.facts import Facts, ImageFacts
    from dvpt_monai.verify.finding import Finding, Kind
    from dvpt_monai.verify.fixes import Fixed, fix
    from dvpt_monai.verify.printed import table
    from dvpt_monai.verify.report import Report
    from dvpt_monai.verify.sketch import alike
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "case": "DataSet",
            "cases": "of_listing",
            "check": "verify verify_cases",
            "facts": "Facts ImageFacts",
            "finding": "Finding Kind",
            "fixes": "Fixed fix",
            "printed": "table",
            "report": "Report",
            "sketch": "alike",
        },
    )

__all__ = [
    "DataSet",
    "Facts",
    "Finding",
    "Fixed",
    "ImageFacts",
    "Kind",
    "Report",
    "alike",
    "fix",
    "of_listing",
    "table",
    "verify",
    "verify_cases",
]
