"""How fast it is and what it costs: the real handlers against stand-ins that are leaner."""
