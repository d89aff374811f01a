"""Full against box against mask, over any scans and codecs: what `medroi compare` does."""
