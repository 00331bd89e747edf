"""Workflows at GitHub that write and publish issues."""
