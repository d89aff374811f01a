"""Full against box against hull, over any scans and codecs: what `medroi compare` does."""
