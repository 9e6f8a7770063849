"""
Where an installed package sends pytest: on to the plugin, by its module's name.

pytest ends in an error when one module is registered under two names: the entry point's, and that which is asked for by
`-p sim.testing.plugin` or `pytest_plugins`. Under its own name it is registered once, however often it is asked for.
"""

pytest_plugins = ("sim.testing.plugin",)
