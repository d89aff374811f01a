"""Every codec of the local numcodecs registry."""
