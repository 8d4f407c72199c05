"""From a trained bundle to one that others download and trust: check it, pack it, make it whole again."""
