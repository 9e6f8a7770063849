"""What tests of other projects and our own run Firmground with; `docs/TESTING.md` teaches it."""
