"""A truth that was changed after the fact: what the judge must find."""


class ForgedTruth:
    """`change` turns each part of a truth into another."""

    def __init__(self, truth, change):
        self._truth = truth
        self._change = change

    def parts(self):
        return map(self._change, self._truth.parts())
