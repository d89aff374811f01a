"""Inner codecs 32 and 33: TCM and TCM with the auxiliary transform AuxT."""
