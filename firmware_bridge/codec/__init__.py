"""Pure decoders and encoders: no I/O, no clock; bytes in, records out, bad bytes counted."""
