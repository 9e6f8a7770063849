"""The pure core: time, place, detection, coverage, checks and rules. No I/O, no clock, no randomness."""
