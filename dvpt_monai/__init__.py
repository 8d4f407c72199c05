"""Parameter-efficient fine-tuning of pre-trained vision transformers on medical images, in MONAI."""

from typing import TYPE_CHECKING

from dvpt_monai.lazy import lazy
from dvpt_monai.version import __version__ as __version__

if TYPE_CHECKING:
    from dvpt_monai.errors import AdapterError, BackboneMismatchError, PretrainedError, TuningError
    from dvpt_monai.methods import (
        CVPT,
        DTL,
        DVPT,
        EPT,
        EVP,
        LST,
        SSF,
        VPT,
        Adapter,
        AdaptFormer,
        BitFit,
        Convpass,
        DoRA,
        FPTPlus,
        FullFineTuning,
        GatedVPT,
        LinearProbe,
        LoRA,
        MLPProbe,
        NormTuning,
        PartialFineTuning,
        SideDVPT,
        VisualPrompt,
        attention_entropy,
        collapse,
    )
    from dvpt_monai.networks import UNETR, Receipt, SliceClassifier, ViTClassifier, ViTEncoder, load_pretrained
    from dvpt_monai.networks.dvpt import DVPTUNETR, DVPTViT
    from dvpt_monai.optimizers import parameter_groups
    from dvpt_monai.tuning import (
        METHODS,
        Ensemble,
        Method,
        Report,
        Stack,
        Tuned,
        TunedResidual,
        Tuner,
        attach,
        cast_frozen,
        is_tuned,
        load_adapter,
        match_budget,
        read_header,
        report,
        save_adapter,
        swap_adapter,
    )
    from dvpt_monai.tuning.tune import disabled, merge, tune, untune  # mypy takes tuning.tune for the module
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "errors": "AdapterError BackboneMismatchError PretrainedError TuningError",
            "methods": (
                "CVPT DTL DVPT EPT EVP LST SSF VPT AdaptFormer Adapter BitFit Convpass DoRA FPTPlus FullFineTuning "
                "GatedVPT LinearProbe LoRA MLPProbe NormTuning PartialFineTuning SideDVPT VisualPrompt "
                "attention_entropy collapse"
            ),
            "networks": "UNETR Receipt SliceClassifier ViTClassifier ViTEncoder load_pretrained",
            "networks.dvpt": "DVPTUNETR DVPTViT",
            "optimizers": "parameter_groups",
            "tuning": (
                "METHODS Ensemble Method Report Stack Tuned TunedResidual Tuner attach cast_frozen disabled is_tuned "
                "load_adapter match_budget merge read_header report save_adapter swap_adapter tune untune"
            ),
        },
    )


__all__ = [
    "CVPT",
    "DTL",
    "DVPT",
    "DVPTUNETR",
    "EPT",
    "EVP",
    "LST",
    "METHODS",
    "SSF",
    "UNETR",
    "VPT",
    "AdaptFormer",
    "Adapter",
    "AdapterError",
    "BackboneMismatchError",
    "BitFit",
    "Convpass",
    "DVPTViT",
    "DoRA",
    "Ensemble",
    "FPTPlus",
    "FullFineTuning",
    "GatedVPT",
    "LinearProbe",
    "LoRA",
    "MLPProbe",
    "Method",
    "NormTuning",
    "PartialFineTuning",
    "PretrainedError",
    "Receipt",
    "Report",
    "SideDVPT",
    "SliceClassifier",
    "Stack",
    "Tuned",
    "TunedResidual",
    "Tuner",
    "TuningError",
    "ViTClassifier",
    "ViTEncoder",
    "VisualPrompt",
    "attach",
    "attention_entropy",
    "cast_frozen",
    "collapse",
    "disabled",
    "is_tuned",
    "load_adapter",
    "load_pretrained",
    "match_budget",
    "merge",
    "parameter_groups",
    "read_header",
    "report",
    "save_adapter",
    "swap_adapter",
    "tune",
    "untune",
]
