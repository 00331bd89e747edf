"""Measures speed and cost: the real handlers against lean stand-ins for AWS."""
