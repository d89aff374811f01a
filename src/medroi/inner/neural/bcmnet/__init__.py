"""Inner codec 35: BCM-Net, lossless residual coding over a lossy base."""
