"""Bytes to records and back. Knows devices, knows nothing of demining."""
