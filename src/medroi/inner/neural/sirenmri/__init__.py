"""Inner codec 36: a volume as the weights of a small sine network (SirenMRI)."""
