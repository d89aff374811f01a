"""Learned inner codecs: what they share, and one folder per architecture."""
