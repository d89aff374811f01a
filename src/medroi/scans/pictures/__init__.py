"""Pictures and previews: what a setting keeps of a scan, in planes and numbers."""
