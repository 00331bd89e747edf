"""The pull request as newsroom: what the Action in ``newsroom/`` runs, at GitHub or anywhere."""
