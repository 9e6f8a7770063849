"""Sessions as files that other tools open: GeoJSON and CSV, WGS 84 decimal degrees, square metres."""
