"""Ports and reconnecting links: the only I/O of the bridge."""
