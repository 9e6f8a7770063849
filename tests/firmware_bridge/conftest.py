"""Makes `head_records` importable from the folders below."""
