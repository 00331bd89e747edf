"""The studio's screens: each module has the ``ROUTES`` of one subject."""
