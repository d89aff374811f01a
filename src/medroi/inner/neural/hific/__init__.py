"""Inner codec 34: HiFiC, a generative codec."""
