"""The ledger's tables, ``deliveries``, ``duplicate_mails`` and ``resends``, by subject."""
