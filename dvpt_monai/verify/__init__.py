"""Read a data set once and say which of its files would spoil a training, why, and what to do."""

from typing import TYPE_CHECKING

from dvpt_monai.lazy import lazy

if TYPE_CHECKING:
    from dvpt_monai.verify.check import verify
    from dvpt_monai.verify.finding import Finding, Kind
    from dvpt_monai.verify.fixes import Fixed, fix
    from dvpt_monai.verify.printed import table
    from dvpt_monai.verify.report import Report
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "check": "verify",
            "finding": "Finding Kind",
            "fixes": "Fixed fix",
            "printed": "table",
            "report": "Report",
        },
    )

__all__ = ["Finding", "Fixed", "Kind", "Report", "fix", "table", "verify"]
