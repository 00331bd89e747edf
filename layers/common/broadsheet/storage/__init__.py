"""Public content in the stack's one bucket; nothing else knows S3."""
