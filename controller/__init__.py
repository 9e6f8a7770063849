"""The controller: a pure core that decides, and the shells that feed it, store its record and show it."""
