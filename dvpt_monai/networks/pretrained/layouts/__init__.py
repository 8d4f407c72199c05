"""The layouts that load, by family; a further one is a table and its name in the ``LAYOUTS`` of its file."""

from dvpt_monai.networks.pretrained.layouts import clip, dino, dinov3, eva, flexict, hugging_face, monai, primus, timm

__all__ = ["LAYOUTS"]

LAYOUTS = (
    *timm.LAYOUTS,
    *dino.LAYOUTS,
    *dinov3.LAYOUTS,
    *eva.LAYOUTS,
    *flexict.LAYOUTS,
    *primus.LAYOUTS,
    *clip.LAYOUTS,
    *hugging_face.LAYOUTS,
    *monai.LAYOUTS,
)
